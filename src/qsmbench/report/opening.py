"""The first screen: who comes first on the set with most subjects, by how much, and what that is worth, in words.

Everything said is a function of the scores. A place is given among methods that ran on every subject. Neighbours are
compared on the same subjects, since intervals of two means say little about their difference; with one subject there is
an order and no ranking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from qsmbench.report.chosen import first_metric
from qsmbench.report.comparisons import ALPHA, MIN_PAIRS, paired_difference, signed_rank_p
from qsmbench.report.display import Display
from qsmbench.report.scores import WHOLE_MASK
from qsmbench.report.statistics import CONFIDENCE, MIN_SUBJECTS
from qsmbench.report.tables import fixed


@dataclass(frozen=True)
class Ranked:
    """A method's place.

    Attributes:
        method: its id.
        label: for people.
        place: 1 is best, what prints alike shares one; None for a method that failed somewhere.
        mean: printed.
        interval: of the mean, printed; empty below six subjects.
        low: of the bar, 0 to 100 along the axis; None without an interval.
        high: the same.
        at: of the mean on the same axis.
        wins: on how many subjects it is better than the next, "5 of 6"; empty for the last.
        failed: "2 of 6", or empty.
    """

    method: str
    label: str
    place: int | None
    mean: str
    interval: str
    low: float | None
    high: float | None
    at: float | None
    wins: str
    failed: str


@dataclass(frozen=True)
class Ranking:
    """The ranking of one set by one metric.

    Attributes:
        set_name: which set.
        set_label: for people.
        metric_label: the same.
        unit: of the metric.
        better: "lower" or "higher".
        n: subjects.
        rows: a method each, those without a place last.
        ends: of the axis, printed.
        found: what the numbers say, a sentence each.
        uncertain: what they do not say.
    """

    set_name: str
    set_label: str
    metric_label: str
    unit: str
    better: str
    n: int
    rows: tuple[Ranked, ...]
    ends: tuple[str, str]
    found: tuple[str, ...] = ()
    uncertain: tuple[str, ...] = ()

    @property
    def is_ranking(self) -> bool:
        """Whether there is more than one subject."""
        return self.n > 1

    def best(self, n: int) -> list[str]:
        """The first ``n`` methods that have a place."""
        return [row.method for row in self.rows if row.place is not None][:n]


def rank_set(scores: pd.DataFrame, summary: pd.DataFrame, display: Display, set_name: str) -> Ranking | None:
    """Rank the methods of one set by the first ranked metric; None where no method has a score there.

    Args:
        scores: checked.
        summary: of `qsmbench.report.statistics.summarise`.
        display: labels and order.
        set_name: which set.
    """
    metric = first_metric(display)
    own = summary[(summary["set"] == set_name) & (summary["metric"] == metric) & (summary["region"] == WHOLE_MASK)]
    if metric is None or not (own["n"] > 0).any():
        return None
    info = display.metrics[metric]
    values = scores[
        (scores["set"] == set_name) & (scores["metric"] == metric) & (scores["region"] == WHOLE_MASK)
    ].pivot(index="subject", columns="method", values="value")
    missing = own["n_failed"] + own["n_undefined"]
    sign = 1.0 if info.better == "lower" else -1.0
    order = own.assign(lost=(missing > 0) | (own["n"] == 0), key=sign * own["mean"])
    order = order.sort_values(["lost", "key"], kind="stable", na_position="last")
    digits = display.decimals(metric)
    axis = _axis(order)
    rows: list[Ranked] = []
    listed = [row for _, row in order.iterrows()]
    for i, row in enumerate(listed):
        n, lost = int(row["n"]), bool(row["lost"])
        mean = fixed(row["mean"], digits) if n else "–"
        before = rows[-1] if rows else None
        following = listed[i + 1] if i + 1 < len(listed) and not listed[i + 1]["lost"] else None
        wins = ""
        if not lost and following is not None:
            won = sign * paired_difference(*(values[r["method"]].to_numpy() for r in (row, following))) < 0
            wins = f"{int(won.sum())} of {len(values)}"
        ends = [float(row["ci_low"]), float(row["ci_high"])] if n >= MIN_SUBJECTS else []
        without = int(row["n_failed"] + row["n_undefined"])
        rows.append(
            Ranked(
                row["method"],
                display.methods[row["method"]].label,
                place=None if lost else before.place if before is not None and before.mean == mean else i + 1,
                mean=mean,
                interval=" to ".join(fixed(end, digits) for end in ends),
                low=axis.place(ends[0]) if ends else None,
                high=axis.place(ends[1]) if ends else None,
                at=axis.place(row["mean"]) if n else None,
                wins=wins,
                failed=f"{without} of {n + without}" if lost else "",
            )
        )
    label = display.sets[set_name].label
    ranking = Ranking(
        set_name,
        label,
        info.label,
        info.unit,
        info.better,
        len(values),
        tuple(rows),
        (fixed(axis.low, digits), fixed(axis.high, digits)),
    )
    found, uncertain = _sentences(ranking, values)
    return replace(ranking, found=tuple(found), uncertain=tuple(uncertain))


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float

    def place(self, value: float) -> float:
        return round(float(100 * (value - self.low) / (self.high - self.low)), 2)


def _axis(rows: pd.DataFrame) -> _Axis:
    ends = rows[["mean", "ci_low", "ci_high"]].to_numpy(np.float64)
    low, high = float(np.nanmin(ends)), float(np.nanmax(ends))
    room = 0.06 * (high - low) or max(abs(low), 1.0) * 0.05
    return _Axis(low - room, high + room)


def _sentences(of: Ranking, values: pd.DataFrame) -> tuple[list[str], list[str]]:
    """What the ranking says, and what it does not."""
    ranked = [row for row in of.rows if row.place is not None]
    word, unit = ("lowest" if of.better == "lower" else "highest"), f" {of.unit}" if of.unit else ""
    found, doubts = [], []
    after = [row for row in ranked if row.place != 1]
    if ranked:
        first = ranked[0]
        ties = [row.label for row in ranked if row.place == 1]
        interval = f" ({CONFIDENCE:.0%} interval {first.interval}{unit})" if first.interval else ""
        many = f" on average over {of.n} subjects" if of.n > 1 else ""
        found.append(
            f"On {of.set_label}, {_listed(ties)} {'has' if len(ties) == 1 else 'share'} the {word} {of.metric_label}: "
            f"{first.mean}{unit}{many}{interval}."
        )
    if after:
        names = [f"{row.label} with {row.mean}{unit}" for row in after[:2]]
        found.append(f"{_listed(names)} {'follow' if len(names) > 1 else 'follows'}.")
    failed = [f"{row.label} (no value on {row.failed})" for row in of.rows if row.failed]
    if failed:
        found.append(f"Without a place, as averages over other subjects cannot be compared: {_listed(failed)}.")
    if of.n == 1:
        doubts.append(
            f"There is one subject on {of.set_label}: this order is an observation on one scan and no ranking. Another "
            "scan may turn it round."
        )
    elif after:
        doubts.append(_pair(ranked[0], after[0], values, of.better))
    if 1 < of.n < MIN_SUBJECTS:
        doubts.append(
            f"{of.n} subjects are too few for an interval or a test (from {MIN_SUBJECTS} on): read the order as a hint."
        )
    elif of.n >= MIN_SUBJECTS:
        doubts.append(
            "Intervals and tests describe these subjects; samples cut from one head are no sample of heads, and other "
            "metrics may order the methods differently."
        )
    return found, doubts


def _pair(first: Ranked, second: Ranked, values: pd.DataFrame, better: str) -> str:
    """Whether the first is told from the second, on the same subjects."""
    difference = paired_difference(values[first.method].to_numpy(), values[second.method].to_numpy())
    wins = int(((difference if better == "lower" else -difference) < 0).sum())
    text = f"Subject by subject, {first.label} is better than {second.label} on {wins} of {len(values)}"
    if len(values) < MIN_PAIRS:
        return f"{text}."
    p = signed_rank_p(difference)
    shown = "< 0.001" if p < 0.001 else f"= {p:.3f}"
    told = "so the two are told apart here" if p < ALPHA else "so these subjects do not tell the two apart"
    return f"{text} (Wilcoxon signed rank, p {shown}, not corrected), {told}."


def _listed(names: Sequence[str]) -> str:
    """Join with commas and "and".

    >>> _listed(["a"]), _listed(["a", "b"]), _listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def lead_set(scores: pd.DataFrame, display: Display) -> str | None:
    """The set with most scored subjects, the first of those that have as many."""
    counts = scores[scores["value"].notna()].groupby("set")["subject"].nunique()
    return max((name for name in display.sets if name in counts), key=lambda name: counts[name], default=None)


def other_sets(rankings: Sequence[Ranking], lead: Ranking) -> str:
    """One sentence on whether the lead's first is first elsewhere too; empty where there is no other set."""
    others = [r for r in rankings if r.set_name != lead.set_name and r.best(1)]
    if not others or not lead.best(1):
        return ""
    first = next(row for row in lead.rows if row.method == lead.best(1)[0])
    also = [r for r in others if any(row.method == first.method and row.place == 1 for row in r.rows)]
    differ = [r for r in others if r not in also]

    def named(rankings: Sequence[Ranking]) -> str:
        return _listed([f"{r.set_label}{' (one subject)' if r.n == 1 else ''}" for r in rankings])

    if not differ:
        return f"{first.label} is first on {named(also)} as well."
    winners: dict[str, list[Ranking]] = {}
    for ranking in differ:
        winners.setdefault(next(row.label for row in ranking.rows if row.place == 1), []).append(ranking)
    told = [f"{label} on {named(of)}" for label, of in winners.items()]
    # A winner of several sets has an "and" of its own.
    joined = _listed(told) if len(differ) == len(winners) else "; ".join(told)
    text = f"The order is not the same everywhere: first {'is' if len(winners) == 1 else 'are'} {joined}"
    return text + (f"; {first.label} is first on {named(also)} as well." if also else ".")
