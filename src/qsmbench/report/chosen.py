"""Which subjects of a set are shown as pictures: by rule, the typical one first, none picked by eye.

A subject's difficulty is its rank within a method by the first ranked metric, as a share of the subjects that the
method was scored on, averaged over the methods: ranks, so that one method that failed badly does not decide. The order
of showing: the median subject, the one with the largest error, the one with the smallest, then the others from the
median outwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from qsmbench.report.display import Display
from qsmbench.report.scores import WHOLE_MASK

RULE = (
    "Subjects are chosen by rule, not by eye: the one of median error first, then those of the largest and the "
    "smallest. A subject's error is its rank by {metric}, averaged over all methods."
)


@dataclass(frozen=True)
class Choice:
    """A subject with its number in the set, why it is shown, and whether its set has scores that say so."""

    index: int
    name: str
    why: str
    scored: bool = True


def first_metric(display: Display) -> str | None:
    """The first metric that is ranked."""
    return next((metric for metric in display.metrics if display.is_ranked(metric)), None)


def difficulty(scores: pd.DataFrame, display: Display, set_name: str) -> pd.Series:
    """Mean rank in (0, 1) of every subject that has a score, the least error first; equal ones by name."""
    metric = first_metric(display)
    own = scores[
        (scores["set"] == set_name)
        & (scores["metric"] == metric)
        & (scores["region"] == WHOLE_MASK)
        & scores["value"].notna()
    ]
    if metric is None or own.empty:
        return pd.Series(dtype=float)
    values = own.pivot(index="subject", columns="method", values="value").sort_index()
    ranks = values.rank(ascending=display.metrics[metric].better == "lower")
    return ((ranks - 0.5) / values.notna().sum()).mean(axis=1).round(9).sort_values(kind="stable")


def choose_subjects(scores: pd.DataFrame, display: Display, set_name: str, names: Sequence[str]) -> list[Choice]:
    """All subjects of a set, those to be shown first in front; in their own order where there are no scores.

    Args:
        scores: of all sets, checked.
        display: whose first ranked metric decides.
        set_name: which set.
        names: of its subjects, as the set has them.
    """
    known = [str(name) for name in difficulty(scores, display, set_name).index if name in set(names)]
    n, middle = len(known), (len(known) - 1) // 2
    places = sorted(range(n), key=lambda place: (abs(place - middle), place))
    # The ends come second and third.
    ends = [place for place in dict.fromkeys((n - 1, 0)) if 0 <= place != middle] if n else []
    places = places[:1] + ends + [place for place in places[1:] if place not in ends]
    words = {middle: "median error", n - 1: "largest error", 0: "smallest error"}
    chosen = [
        (known[place], words.get(place, f"place {place + 1} of {n} by error") if n > 1 else "the only subject")
        for place in places
    ]
    if not known:
        n = len(names)
        return [
            Choice(i, name, f"number {i + 1} of {n}" if n > 1 else "the only subject", scored=False)
            for i, name in enumerate(names)
        ]
    chosen += [(name, "no score") for name in names if name not in set(known)]
    index = {name: i for i, name in enumerate(names)}
    return [Choice(index[name], name, why) for name, why in chosen]
