"""The metrics that take a `Case`, by name, and `score_case`, which applies every kind of metric to one map.

To add one: a file in this folder with a function from a case to a number a region, and one line here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from qsmbench.core.errors import InputError
from qsmbench.metrics.calcification_moment import calcification_moment
from qsmbench.metrics.calcification_streak import calcification_streak
from qsmbench.metrics.case import WHOLE_MASK, Case
from qsmbench.metrics.cone_streaking import cone_streaking
from qsmbench.metrics.data_consistency import data_consistency
from qsmbench.metrics.deep_grey_linearity import deep_grey_linearity
from qsmbench.metrics.region_error import region_error
from qsmbench.metrics.registry import METRICS, Metric
from qsmbench.metrics.roi_mean import roi_mean


@dataclass(frozen=True)
class CaseMetric:
    """What a table needs to know of such a metric.

    Attributes:
        name: key in results.
        label: heading in tables.
        unit: of the score; empty where it has none.
        better: which end of the scale is the good one.
        ranked: whether tables mark a best value.
        function: from a case to scores by region, empty where the case has not what it takes.
        doi: of the definition; empty where the definition is our own.
        by_region: whether its numbers are for parts of the mask, and none for the whole.
    """

    name: str
    label: str
    unit: str
    better: Literal["lower", "higher"]
    ranked: bool
    function: Callable[[Case], Mapping[str, float]]
    doi: str
    by_region: bool = False


_CHALLENGE = "10.1002/mrm.28754"
CASE_METRICS: dict[str, CaseMetric] = {
    metric.name: metric
    for metric in (
        CaseMetric("region_error", "Region NRMSE", "%", "lower", True, region_error, _CHALLENGE, True),
        CaseMetric("deep_grey_linearity", "Deep-grey linearity", "", "lower", True, deep_grey_linearity, _CHALLENGE),
        CaseMetric("calcification_moment", "Calcification moment", "ppm voxel", "lower", True, calcification_moment,
                   _CHALLENGE),
        CaseMetric("calcification_streak", "Calcification streak", "", "lower", True, calcification_streak, _CHALLENGE),
        CaseMetric("data_consistency", "Data consistency", "%", "lower", False, data_consistency, "10.1002/mrm.22187"),
        CaseMetric("cone_streaking", "Cone streaking", "", "lower", False, cone_streaking, ""),
        CaseMetric("roi_mean", "Mean χ", "ppm", "higher", False, roi_mean, "", True),
    )
}  # fmt: skip
ALL_METRICS: dict[str, Metric | CaseMetric] = {**METRICS, **CASE_METRICS}


class Score(NamedTuple):
    """One number of one map."""

    metric: str
    region: str
    value: float


def definition(metric: Metric | CaseMetric) -> str:
    """Return the first line of the metric's file, which says what it is."""
    text = sys.modules[metric.function.__module__].__doc__ or ""
    return text.splitlines()[0]


def score_case(case: Case, names: Iterable[str]) -> list[Score]:
    """Score one map with every metric named that the case allows; coverage is always among them.

    Without a reference the metrics that compare two maps are left out, without labels or a field those that need them.

    Raises:
        InputError: an unknown metric, or volumes that a metric refuses.
    """
    wanted = list(dict.fromkeys([*names, "coverage"]))
    unknown = [name for name in wanted if name not in ALL_METRICS]
    if unknown:
        raise InputError(f"unknown metric {', '.join(unknown)}; choose from {', '.join(ALL_METRICS)}")
    scores: list[Score] = []
    for name in wanted:
        metric = ALL_METRICS[name]
        if isinstance(metric, CaseMetric):
            scores += [Score(name, region, value) for region, value in metric.function(case).items()]
        elif case.reference is not None:
            value = metric.function(case.estimate, case.reference, case.mask, voxel_size=case.grid.voxel_size)
            scores.append(Score(name, WHOLE_MASK, value))
        elif name == "coverage":
            value = metric.function(case.estimate, case.mask, case.mask, voxel_size=case.grid.voxel_size)
            scores.append(Score(name, WHOLE_MASK, value))
    return scores


def whole_mask_metrics(names: Iterable[str]) -> list[str]:
    """Return those of the metrics that give a number for the whole mask, and coverage."""
    wanted = dict.fromkeys([*names, "coverage"])
    return [n for n in wanted if not (n in CASE_METRICS and CASE_METRICS[n].by_region)]
