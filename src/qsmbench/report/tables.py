"""The table of one set: methods down, metrics across, "mean ± SD", the best marked. One source for every format.

What is marked as best turns on what is compared: a method that failed on some subjects is averaged over others, so it
cannot win; values that print alike tie, and all of them are marked; where every method ties nothing is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd

from qsmbench.report.comparisons import ALPHA
from qsmbench.report.display import Display
from qsmbench.report.scores import WHOLE_MASK
from qsmbench.report.statistics import CONFIDENCE, MIN_SUBJECTS


@dataclass(frozen=True)
class Column:
    """A metric in a region: its heading, and which way is better ("lower", "higher")."""

    metric: str
    region: str
    label: str
    unit: str
    better: str


@dataclass(frozen=True)
class Cell:
    """A score, printed. ``mean`` is empty where there is none; ``value`` is what a reader sorts by."""

    mean: str = ""
    sd: str = ""
    n: int = 0
    interval: str = ""
    value: float | None = None
    best: bool = False
    significant: bool = False


@dataclass(frozen=True)
class Row:
    """A method: its scores, and on how many of the subjects it ran."""

    method: str
    label: str
    n: int
    n_failed: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """A set's table, ready to be printed in any format."""

    name: str
    title: str
    note: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


def build_table(
    summary: pd.DataFrame,
    display: Display,
    set_name: str,
    comparisons: pd.DataFrame | None = None,
    part: Literal["all", "whole", "regions"] = "all",
) -> Table:
    """Lay out the summary of one set.

    Args:
        summary: from `qsmbench.report.statistics.summarise`.
        display: labels and order.
        set_name: which set.
        comparisons: from `qsmbench.report.comparisons.compare`, to mark significant differences from the baseline.
        part: which columns: those of the whole mask, those of its regions, or all.
    """
    rows_of_set = summary[summary["set"] == set_name]
    whole = rows_of_set["region"] == WHOLE_MASK
    chosen = rows_of_set[{"all": whole | ~whole, "whole": whole, "regions": ~whole}[part]]
    keys = list(dict.fromkeys(zip(chosen["metric"], chosen["region"], strict=True)))
    # The whole mask first, as a block; regions after it.
    keys.sort(key=lambda key: key[1] != WHOLE_MASK)
    columns = tuple(_column(display, metric, region) for metric, region in keys)
    by_key = {(r["method"], r["metric"], r["region"]): r for _, r in chosen.iterrows()}
    best = {key: _best(chosen[(chosen["metric"] == key[0]) & (chosen["region"] == key[1])], display) for key in keys}
    significant = _significant(comparisons, set_name)
    rows = []
    for method, info in display.methods.items():
        own = chosen[chosen["method"] == method]
        if own.empty:
            continue
        cells = tuple(
            _cell(by_key.get((method, *key)), display, method in best[key], (method, *key) in significant)
            for key in keys
        )
        n = int((own["n"] + own["n_undefined"]).max())
        rows.append(Row(method, info.label, n, int(own["n_failed"].max()), cells))
    title = display.sets[set_name].label
    return Table(set_name, title, _note(rows, display), columns, tuple(rows))


def paper_table(summary: pd.DataFrame, display: Display, name: str, comparisons: pd.DataFrame | None = None) -> Table:
    """Lay out one of the display's own tables: its methods down, its sets and their metrics across.

    The best value is the best among the table's methods; differences are marked where the baseline is among them.
    """
    info = display.tables[name]
    kept, methods = chosen_rows(summary, display, name)
    shown = display.model_copy(update={"methods": {m: display.methods[m] for m in methods}})
    if display.baseline_method not in methods:
        comparisons, shown = None, shown.model_copy(update={"baseline": None})
    else:
        shown = shown.model_copy(update={"baseline": display.baseline_method})
    parts = [build_table(kept, shown, set_name, comparisons, "whole") for set_name in info.sets]
    several = len(parts) > 1
    columns = tuple(
        replace(column, label=f"{part.title}: {column.label}" if several else column.label)
        for part in parts
        for column in part.columns
    )
    rows = []
    for method, about in shown.methods.items():
        own = [next((row for row in part.rows if row.method == method), None) for part in parts]
        if not any(own):
            continue
        cells = tuple(
            cell
            for row, part in zip(own, parts, strict=True)
            for cell in (row.cells if row is not None else (Cell(),) * len(part.columns))
        )
        there = [row for row in own if row is not None]
        rows.append(Row(method, about.label, max(r.n for r in there), max(r.n_failed for r in there), cells))
    notes = dict.fromkeys(f"{part.title}: {part.note}" if several else part.note for part in parts)
    return Table(name, info.title, " ".join(notes), columns, tuple(rows))


def chosen_rows(summary: pd.DataFrame, display: Display, name: str) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows of the summary that one of the display's own tables shows, in its order, and its methods."""
    info = display.tables[name]
    methods = list(info.methods) or list(display.methods)
    metrics = list(info.metrics) or list(display.metrics)
    kept = summary[
        summary["set"].isin(info.sets) & summary["method"].isin(methods) & summary["metric"].isin(metrics)
        & (summary["region"] == WHOLE_MASK)
    ]  # fmt: skip
    order = [kept["set"].map(info.sets.index), kept["method"].map(methods.index), kept["metric"].map(metrics.index)]
    return kept.loc[pd.concat(order, axis=1).sort_values(["set", "method", "metric"]).index], methods


def file_stem(name: str) -> str:
    """Turn a set's name into one for a file: "synthetic/test" into "synthetic-test"."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "set"


def fixed(value: float, decimals: int) -> str:
    """Print with a fixed number of digits after the point, and no negative zero.

    >>> fixed(-0.04, 1), fixed(31.649, 1)
    ('0.0', '31.6')
    """
    return f"{round(value, decimals) + 0.0:.{decimals}f}"


def _column(display: Display, metric: str, region: str) -> Column:
    info = display.metrics[metric]
    label = info.label if region == WHOLE_MASK else f"{info.label}, {region}"
    return Column(metric, region, label, info.unit, info.better if display.is_ranked(metric) else "")


def _cell(row: pd.Series | None, display: Display, best: bool, significant: bool) -> Cell:
    if row is None or row["n"] == 0:
        return Cell()
    digits = display.decimals(str(row["metric"]))
    has_interval = row["n"] >= MIN_SUBJECTS
    return Cell(
        mean=fixed(row["mean"], digits),
        sd=fixed(row["sd"], digits) if row["n"] > 1 else "",
        n=int(row["n"]),
        interval=f"{fixed(row['ci_low'], digits)} to {fixed(row['ci_high'], digits)}" if has_interval else "",
        value=float(row["mean"]),
        best=best,
        significant=significant,
    )


def _best(rows: pd.DataFrame, display: Display) -> set[str]:
    """Methods with the best printed mean, among those with a score on every subject."""
    complete = rows[(rows["n"] > 0) & (rows["n_failed"] == 0) & (rows["n_undefined"] == 0)]
    if complete.empty or not display.is_ranked(str(complete["metric"].iloc[0])):
        return set()
    metric = str(complete["metric"].iloc[0])
    printed = {
        str(m): float(fixed(v, display.decimals(metric))) for m, v in complete.set_index("method")["mean"].items()
    }
    top = max(printed.values()) if display.metrics[metric].better == "higher" else min(printed.values())
    winners = {method for method, value in printed.items() if value == top}
    return winners if len(winners) < len(rows) else set()


def _significant(comparisons: pd.DataFrame | None, set_name: str) -> set[tuple[str, str, str]]:
    if comparisons is None:
        return set()
    hits = comparisons[(comparisons["set"] == set_name) & (comparisons["p_holm"] < ALPHA)]
    return set(zip(hits["method"], hits["metric"], hits["region"], strict=True))


def _note(rows: Sequence[Row], display: Display) -> str:
    counts = {row.n + row.n_failed for row in rows}
    n = str(max(counts, default=0)) if len(counts) <= 1 else f"{min(counts)} to {max(counts)}"
    one = n == "1"
    parts = ["One subject, so no SD is given." if one else f"Mean ± SD over n = {n} subjects."]
    if any(cell.best for row in rows for cell in row.cells):
        parts.append("Bold: best value; values that print alike tie.")
    failed = [f"{row.label} on {row.n_failed} of {row.n + row.n_failed}" for row in rows if row.n_failed]
    if failed:
        parts.append(
            f"Failed: {', '.join(failed)}; a method that failed is averaged over the subjects that are left, and is "
            "never marked best."
        )
    else:
        parts.append("No reconstruction failed.")
    if any(cell.significant for row in rows for cell in row.cells):
        baseline = display.methods[display.baseline_method].label
        parts.append(
            f"*: differs from {baseline}, p < {ALPHA:g} (Wilcoxon signed rank over subjects, Holm over the methods)."
        )
    if any(cell.interval for row in rows for cell in row.cells):
        parts.append(f"{CONFIDENCE:.0%} bootstrap intervals of the means are in all.csv.")
    return " ".join(parts)
