"""Which stage makes the error of a scan's map: the inversion by itself, the fields before it, and pairs of the two.

A method on the true local field, with the noise of the measurement (`<set>-isolated`), shows what its inversion does;
on the prepared field, what a user gets. Errors of the two stages are taken to be independent, so that squares add:

    share of the inversion = sum over scans of (error on the true field)^2 / sum over scans of (error on the prepared)^2

and the rest is made before it, by mask, unwrapping, fit and background removal. Where the error on the true field is
the larger one the two partly cancel, and no share is given. All sets of one scan are scored on the same voxels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from qsmbench.report.display import Display
from qsmbench.report.scores import WHOLE_MASK
from qsmbench.report.tables import file_stem, fixed

HEADINGS = ("Method", "scans", "true field", "prepared field", "share of the inversion", "share of what is before it")
# Norms of the difference from the truth, whose squares add.
_NORMS = ("nrmse_demeaned", "nrmse_detrended", "rmse")
_NONE = "–"


@dataclass(frozen=True)
class StageRow:
    """A method on a set's true fields and on its prepared ones: mean errors, and the inversion's share in percent."""

    method: str
    label: str
    n: int
    isolated: float
    composed: float
    share: float | None


@dataclass(frozen=True)
class Pairs:
    """Mean errors by background removal (down) and inversion (across); NaN where a pair has no score.

    Attributes:
        removals: the preparation's own first.
        methods: ids.
        labels: of the methods.
        errors: by removal and method.
    """

    removals: tuple[str, ...]
    methods: tuple[str, ...]
    labels: tuple[str, ...]
    errors: np.ndarray

    @property
    def best(self) -> tuple[str, str, float] | None:
        """Removal, label of the method and error of the pair with the least error."""
        if not np.isfinite(self.errors).any():
            return None
        row, column = np.unravel_index(np.nanargmin(self.errors), self.errors.shape)
        return self.removals[row], self.labels[column], float(self.errors[row, column])

    def is_best(self, row: int, column: int) -> bool:
        """Whether this removal is the best of several for this inversion."""
        own = self.errors[:, column]
        return bool(np.isfinite(own[row]) and own[row] == np.nanmin(own) and np.isfinite(own).sum() > 1)


@dataclass(frozen=True)
class StageTable:
    """What the stages of one set of scans make of the error.

    Attributes:
        name: of the set whose fields were prepared.
        label: for people.
        error: name of the metric, with its unit.
        decimals: of the error, printed.
        rows: a method each.
        pairs: where other background removals were asked for.
    """

    name: str
    label: str
    error: str
    decimals: int
    rows: tuple[StageRow, ...]
    pairs: Pairs | None

    @property
    def stem(self) -> str:
        """Of the files' names."""
        return f"{file_stem(self.name)}-stages"

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.label}: which stage makes the error"

    @property
    def note(self) -> str:
        """What the columns are."""
        one = all(row.n == 1 for row in self.rows)
        return (
            f"{self.error}, {'one scan, which is no ranking' if one else 'mean over the scans'}, on the same voxels in "
            "both columns. True field: with the noise of the measurement. Share of the inversion: of the squared "
            "error; the rest is made before it, by mask, unwrapping, fit and background removal. No share where the "
            "error is larger on the true field: the errors of the stages partly cancel."
        )

    @property
    def pairs_note(self) -> str:
        """What the table of pairs shows."""
        best = self.pairs.best if self.pairs is not None else None
        least = f" Least of all: {best[0]} and {best[1]}, {fixed(best[2], self.decimals)}." if best else ""
        return (
            f"{self.error} of pairs of background removal and inversion, each removal at its defaults, all on the same "
            f"voxels. Bold: the best background removal for an inversion.{least}"
        )

    def printed(self) -> list[tuple[str, list[tuple[str, float | None]]]]:
        """Methods, each with its cells as text and number: scans, errors on the true and the prepared field, shares."""
        lines = []
        for row in self.rows:
            rest = None if row.share is None else 100 - row.share
            errors = [(fixed(error, self.decimals), error) for error in (row.isolated, row.composed)]
            shares = [(_NONE if share is None else f"{share:.0f} %", share) for share in (row.share, rest)]
            lines.append((row.label, [(str(row.n), float(row.n)), *errors, *shares]))
        return lines

    def printed_pairs(self) -> list[list[tuple[str, bool]]]:
        """Cells of the pairs by removal, each with whether its removal is the best for its inversion."""
        if self.pairs is None:
            return []
        return [
            [
                (fixed(error, self.decimals) if np.isfinite(error) else _NONE, self.pairs.is_best(i, j))
                for j, error in enumerate(line)
            ]
            for i, line in enumerate(self.pairs.errors)
        ]


def stage_tables(scores: pd.DataFrame, display: Display) -> list[StageTable]:
    """Make the table of every set that was evaluated stage by stage.

    Args:
        scores: checked rows of `qsmbench.report.scores`.
        display: its configuration says which set was made of which.
    """
    metric = next((name for name in _NORMS if name in display.metrics), None)
    if metric is None:
        return []
    whole = scores[(scores["metric"] == metric) & (scores["region"] == WHOLE_MASK)]
    values = {
        str(name): group.pivot(index="subject", columns="method", values="value").dropna(axis=1, how="all")
        for name, group in whole.groupby("set")
    }
    acquisitions = display.config.get("acquisitions", {})
    info = display.metrics[metric]
    error = f"{info.label} in {info.unit}" if info.unit else info.label
    found = []
    for name, spec in acquisitions.items():
        if name not in values or name not in display.sets:
            continue
        isolated = next((key for key, _ in _made_of(acquisitions, name, "isolated") if key in values), None)
        rows = _rows(values[isolated], values[name], display) if isolated is not None else ()
        pairs = _pairs(acquisitions, name, spec, values, display)
        if rows or pairs is not None:
            found.append(
                StageTable(name, display.sets[name].label, error, display.decimals(metric), tuple(rows), pairs)
            )
    return found


def _made_of(
    acquisitions: Mapping[str, Mapping[str, Any]], name: str, kind: str
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    return ((key, spec) for key, spec in acquisitions.items() if spec.get("kind") == kind and spec.get("of") == name)


def _rows(isolated: pd.DataFrame, composed: pd.DataFrame, display: Display) -> Iterator[StageRow]:
    for method, info in display.methods.items():
        if method not in isolated or method not in composed:
            continue
        both = pd.concat([isolated[method], composed[method]], axis=1, keys=["isolated", "composed"]).dropna()
        if both.empty:
            continue
        alone, all_in_all = (float((both[key] ** 2).sum()) for key in ("isolated", "composed"))
        share = 100 * alone / all_in_all if all_in_all > alone else None
        means = both.mean()
        yield StageRow(method, info.label, len(both), float(means["isolated"]), float(means["composed"]), share)


def _pairs(
    acquisitions: Mapping[str, Mapping[str, Any]],
    name: str,
    spec: Mapping[str, Any],
    values: Mapping[str, pd.DataFrame],
    display: Display,
) -> Pairs | None:
    others = {key: _removal(s) for key, s in _made_of(acquisitions, name, "removal") if key in values}
    if not others:
        return None
    removals = {name: _removal(spec.get("preparation", {}))} | others
    # Of one removal with several options the sets' labels tell more.
    told = Counter(removals.values())
    lines = tuple(removal if told[removal] == 1 else display.sets[key].label for key, removal in removals.items())
    methods = [m for m in display.methods if any(m in values[key] for key in others)]
    errors = [[float(values[key][m].mean()) if m in values[key] else np.nan for m in methods] for key in removals]
    return Pairs(lines, tuple(methods), tuple(display.methods[m].label for m in methods), np.array(errors))


def _removal(section: Mapping[str, Any]) -> str:
    return str(section.get("background", {}).get("kind", ""))
