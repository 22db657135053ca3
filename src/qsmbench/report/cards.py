"""A card a method: what it is, its paper and options, where it is best and where it fails, what it costs, its maps."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from qsmbench.report.bibliography import known_references
from qsmbench.report.caveats import Remark
from qsmbench.report.chosen import first_metric
from qsmbench.report.display import Display
from qsmbench.report.parts import Picture
from qsmbench.report.results import MethodCost
from qsmbench.report.scores import WHOLE_MASK
from qsmbench.report.tables import Table, fixed


@dataclass(frozen=True)
class Card:
    """What a card says, printed.

    Attributes:
        method: id.
        label: for people.
        kind: "tuned", "network", "configured", "defaults" or empty: how its parameters came about.
        paper: authors, title, journal and year; empty where the DOI is not among ours.
        places: a sentence a set: place and score.
        best: metrics, and regions of them, in which it is best, by set.
        last: the same where it is the worst of three or more.
        hardest: the subject with its largest error, by set.
        failures: a line each.
        costs: a line a set.
        notes: (set, sentence) that it said of its maps.
        converged: (set, share) of iterated maps.
        maps: (set, tile).
    """

    method: str
    label: str
    kind: str
    paper: str
    places: tuple[str, ...]
    best: tuple[tuple[str, str], ...]
    last: tuple[tuple[str, str], ...]
    hardest: tuple[str, ...]
    failures: tuple[str, ...]
    costs: tuple[str, ...]
    notes: tuple[tuple[str, str], ...]
    converged: tuple[tuple[str, str], ...]
    maps: tuple[tuple[str, Picture], ...]


def make_cards(
    display: Display,
    *,
    scores: pd.DataFrame,
    tables: Mapping[str, Sequence[Table]],
    spent: Sequence[MethodCost],
    said: Mapping[tuple[str, str], Remark],
    maps: Mapping[str, Mapping[str, Picture]],
) -> list[Card]:
    """Make the cards in the display's order.

    Args:
        display: labels and order.
        scores: checked.
        tables: of each set, the whole mask's and the regions'.
        spent: time and memory.
        said: what methods said of their maps.
        maps: tiles by set, then by method.
    """
    known = known_references()
    failed = scores[scores["status"] == "failed"].drop_duplicates(["set", "method", "subject"])
    cards = []
    for method, info in display.methods.items():
        own = failed[failed["method"] == method]
        cards.append(
            Card(
                method,
                info.label,
                method_kind(display, method),
                paper(known.get(info.doi.lower(), "")),
                tuple(_places(display, tables, method)),
                tuple(_extremes(display, tables, method, "best")),
                tuple(_extremes(display, tables, method, "last")),
                tuple(_hardest(display, scores, method)),
                tuple(
                    f"{display.sets[str(row['set'])].label}, subject {row['subject']}: {row['message'] or 'no message'}"
                    for _, row in own.iterrows()
                ),
                tuple(
                    f"{display.sets[c.set].label}: {c.median:.3g} s a scan"
                    + ("" if c.memory is None else f", {c.memory:.0f} MB")
                    for c in spent
                    if c.method == method
                ),
                tuple(
                    (display.sets[name].label, caveat.sentence)
                    for (name, run), entry in said.items()
                    if run == method
                    for caveat in entry.caveats
                ),
                tuple(
                    (display.sets[name].label, entry.converged)
                    for (name, run), entry in said.items()
                    if run == method and entry.n_iterated
                ),
                tuple((display.sets[name].label, tiles[method]) for name, tiles in maps.items() if method in tiles),
            )
        )
    return cards


def method_kind(display: Display, method: str) -> str:
    """How the method's parameters came about, as the configuration says; empty where it does not know the method."""
    known = display.config.get("methods", {})
    if method not in known:
        return ""
    run = known[method] or {}
    if run.get("tuning"):
        return "tuned"
    return "network" if run.get("network") else "defaults" if not run.get("options") else "configured"


def paper(entry: str) -> str:
    """Print a BibTeX entry of `refs.bib` as authors, title, journal and year; empty for an empty one.

    >>> paper("@article{A, author = {Li, W. and Wu, B.}, title = {On {MRI}}, journal = {NMR}, year = {2011}}")
    'Li and Wu (2011). On MRI. NMR.'
    """
    found = dict(re.findall(r"(\w+) = \{((?:[^{}]|\{[^{}]*\})*)\}", entry))
    if "title" not in found:
        return ""
    plain = {key: re.sub(r"[{}]", "", value).replace("--", "–") for key, value in found.items()}
    names = [name.partition(",")[0].strip() for name in plain.get("author", "").split(" and ")]
    who = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
    parts = [f"{who} ({plain.get('year', 'n.d.')})", plain["title"], plain.get("journal", "")]
    return " ".join(f"{part}." if not part.endswith(".") else part for part in parts if part)


def _places(display: Display, tables: Mapping[str, Sequence[Table]], method: str) -> list[str]:
    """Place and score by the first ranked metric, a set a line."""
    lines = []
    for name, parts in tables.items():
        table = parts[0]
        i = next((i for i, c in enumerate(table.columns) if c.better and c.region == WHOLE_MASK), None)
        row = next((row for row in table.rows if row.method == method), None)
        if i is None or row is None or not row.cells[i].mean:
            continue
        column, cell = table.columns[i], row.cells[i]
        unit = f" {column.unit}" if column.unit else ""
        score = f"{column.label} {cell.mean}{f' ± {cell.sd}' if cell.sd else ''}{unit}"
        whole = [float(r.cells[i].mean) for r in table.rows if not r.n_failed and r.cells[i].mean]
        place = f"; failed on {row.n_failed} of {row.n + row.n_failed}, no place"
        if not row.n_failed:
            own = float(cell.mean)
            ahead = sum(v < own if column.better == "lower" else v > own for v in whole)
            place = f", place {ahead + 1} of {len(whole)}"
        n = f" (n = {cell.n})"
        lines.append(f"{display.sets[name].label}: {score}{place}{n}")
    return lines


def _extremes(
    display: Display, tables: Mapping[str, Sequence[Table]], method: str, which: str
) -> list[tuple[str, str]]:
    """By set, the columns in which the method is the best, or the worst of three or more that print differently."""
    found = []
    for name, parts in tables.items():
        labels = []
        for table in parts:
            row = next((row for row in table.rows if row.method == method), None)
            if row is None:
                continue
            for i, (column, cell) in enumerate(zip(table.columns, row.cells, strict=True)):
                if not column.better or not cell.mean:
                    continue
                others = [float(r.cells[i].mean) for r in table.rows if r.cells[i].mean]
                worst = (max if column.better == "lower" else min)(others)
                alone = others.count(worst) == 1 and len(others) > 2
                if cell.best if which == "best" else alone and float(cell.mean) == worst:
                    labels.append(column.label)
        if labels:
            found.append((display.sets[name].label, "; ".join(labels)))
    return found


def _hardest(display: Display, scores: pd.DataFrame, method: str) -> list[str]:
    metric = first_metric(display)
    if metric is None:
        return []
    info = display.metrics[metric]
    lines = []
    own = scores[(scores["method"] == method) & (scores["metric"] == metric) & (scores["region"] == WHOLE_MASK)]
    for name, about in display.sets.items():
        values = own.loc[own["set"] == name].dropna(subset=["value"])
        if len(values) < 2:
            continue
        hardest = values.sort_values("value", ascending=info.better == "higher", kind="stable").iloc[0]
        unit = f" {info.unit}" if info.unit else ""
        worst = fixed(float(hardest["value"]), display.decimals(metric))
        lines.append(f"{about.label}: subject {hardest['subject']}, {info.label} {worst}{unit}")
    return lines
