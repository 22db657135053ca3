"""Every metric by name, imported when used, and `score_case`, which applies them to one map.

To add one: a file in this folder with a function from a case to scores by region, and one line here. A metric of
another distribution is a `Metric` behind an entry point of the group ``qsmbench.metrics`` (`qsmbench.core.registry`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from qsmbench.core.errors import InputError
from qsmbench.core.registry import Registry, load

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from qsmbench.metrics.case import Case

# What a metric may need of a case beside estimate, mask and grid.
Need = Literal["reference", "local_field", "labels"]


@dataclass(frozen=True)
class Metric:
    """What tables and lists say of a metric, and where it is.

    Attributes:
        name: key in results.
        label: heading in tables.
        unit: of the score; empty where it has none.
        better: which end of the scale is the good one.
        target: the function from a case to scores by region, as "package.module:function".
        doi: of the definition; empty where the definition is our own.
        needs: what a case must hold for it; a case without is given no score.
        ranked: whether tables mark a best value.
        by_region: whether its numbers are for parts of the mask, and none for the whole.
    """

    name: str
    label: str
    unit: str
    better: Literal["lower", "higher"]
    target: str
    doi: str = ""
    needs: tuple[Need, ...] = ("reference",)
    ranked: bool = True
    by_region: bool = False

    @property
    def function(self) -> Callable[[Case], Mapping[str, float]]:
        """From a case to scores by region, imported.

        Raises:
            InputError: its module or name does not exist.
        """
        try:
            function: Callable[[Case], Mapping[str, float]] = load(self.target)
        except (ImportError, AttributeError) as error:
            raise InputError(f"metric {self.name} ({self.target}) cannot be imported: {error}") from error
        return function

    @property
    def definition(self) -> str:
        """The first line of the metric's file, which says what it is."""
        text = sys.modules[self.function.__module__].__doc__ or ""
        return text.splitlines()[0] if text else self.label

    @property
    def compares_maps(self) -> bool:
        """Whether a map, its reference and a mask are what it takes, and it gives one number."""
        return self.needs == ("reference",) and not self.by_region


_OWN = "qsmbench.metrics"
_2016, _2019 = "10.1002/mrm.26830", "10.1002/mrm.28754"
_ALL_LABELLED: tuple[Need, ...] = ("reference", "labels")
METRICS: Registry[Metric] = Registry(
    "metric",
    "qsmbench.metrics",
    (
        Metric("rmse", "RMSE", "%", "lower", f"{_OWN}.rmse:rmse", _2016),
        Metric("hfen", "HFEN", "%", "lower", f"{_OWN}.hfen:hfen", _2016),
        Metric("ssim", "SSIM", "", "higher", f"{_OWN}.ssim:ssim", _2016),
        Metric("xsim", "XSIM", "", "higher", f"{_OWN}.xsim:xsim", "10.1002/mrm.30271"),
        Metric("nrmse_demeaned", "NRMSE, demeaned", "%", "lower", f"{_OWN}.nrmse_demeaned:nrmse_demeaned", _2019),
        Metric("nrmse_detrended", "NRMSE, detrended", "%", "lower", f"{_OWN}.nrmse_detrended:nrmse_detrended", _2019),
        Metric("correlation", "Correlation", "", "higher", f"{_OWN}.correlation:correlation", "10.1098/rspl.1895.0041"),
        Metric("coverage", "Coverage", "", "higher", f"{_OWN}.coverage:coverage", needs=(), ranked=False),
        Metric("region_error", "Region NRMSE", "%", "lower", f"{_OWN}.region_error:region_error", _2019,
               needs=_ALL_LABELLED, by_region=True),
        Metric("deep_grey_linearity", "Deep-grey linearity", "", "lower",
               f"{_OWN}.deep_grey_linearity:deep_grey_linearity", _2019, needs=_ALL_LABELLED),
        Metric("calcification_moment", "Calcification moment", "ppm voxel", "lower",
               f"{_OWN}.calcification_moment:calcification_moment", _2019, needs=_ALL_LABELLED),
        Metric("calcification_streak", "Calcification streak", "", "lower",
               f"{_OWN}.calcification_streak:calcification_streak", _2019, needs=_ALL_LABELLED),
        Metric("data_consistency", "Data consistency", "%", "lower", f"{_OWN}.data_consistency:data_consistency",
               "10.1002/mrm.22187", needs=("local_field",), ranked=False),
        Metric("cone_streaking", "Cone streaking", "", "lower", f"{_OWN}.cone_streaking:cone_streaking", needs=(),
               ranked=False),
        Metric("roi_mean", "Mean χ", "ppm", "higher", f"{_OWN}.roi_mean:roi_mean", needs=("labels",), ranked=False,
               by_region=True),
    ),
)  # fmt: skip


class Score(NamedTuple):
    """One number of one map."""

    metric: str
    region: str
    value: float


def with_coverage(names: Iterable[str]) -> list[str]:
    """Return the names, each once, and coverage, without which no score says what it is of.

    Raises:
        InputError: an unknown metric.
    """
    wanted = list(dict.fromkeys([*names, "coverage"]))
    unknown = [name for name in wanted if name not in METRICS]
    if unknown:
        raise InputError(f"unknown metric {', '.join(unknown)}; choose from {', '.join(METRICS)}")
    return wanted


def score_case(case: Case, names: Iterable[str]) -> list[Score]:
    """Score one map with every metric named that the case has what it needs for; coverage is always among them.

    Raises:
        InputError: an unknown metric, or volumes that a metric refuses.
    """
    scores: list[Score] = []
    for name in with_coverage(names):
        metric = METRICS[name]
        if all(getattr(case, need) is not None for need in metric.needs):
            scores += [Score(name, region, value) for region, value in metric.function(case).items()]
    return scores


def whole_mask_metrics(names: Iterable[str]) -> list[str]:
    """Return those of the metrics that give a number for the whole mask, and coverage."""
    return [name for name in with_coverage(names) if not METRICS[name].by_region]


def map_metrics() -> list[str]:
    """Names of the metrics that compare a map with its reference and need nothing else; coverage is the last."""
    return [*(name for name, metric in METRICS.items() if metric.compares_maps), "coverage"]


def score(
    estimate: ArrayLike,
    reference: ArrayLike,
    mask: ArrayLike,
    voxel_size: Sequence[float],
    metrics: Iterable[str] | None = None,
    *,
    extent: ArrayLike | None = None,
) -> dict[str, float]:
    """Score one map against its reference with the metrics named, in their order; coverage is always among them.

    Args:
        estimate: (x, y, z), ppm. Values outside the mask do not matter, NaN included.
        reference: (x, y, z), ppm.
        mask: (x, y, z), positive inside: the reference's mask, the same for every method.
        voxel_size: in mm.
        metrics: names of `map_metrics`; by default all of them.
        extent: (x, y, z), positive inside: what coverage is a share of; by default the mask.

    Returns:
        One number a name; nan where a metric is undefined for this estimate (a constant map has no correlation), to be
        written as null in JSON.

    Raises:
        InputError: a metric that is unknown or needs more than two maps; volumes that are not 3-D or differ in shape;
            an empty mask; an estimate or reference with values that are not finite inside the mask; a reference that is
            zero, or constant, there.

    >>> import numpy as np
    >>> chi = np.linspace(-0.1, 0.1, 64).reshape(4, 4, 4)
    >>> score(chi, chi, np.ones((4, 4, 4)), (1, 1, 1), metrics=("rmse", "xsim"))
    {'rmse': 0.0, 'xsim': 1.0, 'coverage': 1.0}
    """
    from qsmbench.metrics.case import WHOLE_MASK, Case

    possible = map_metrics()
    names = with_coverage(possible if metrics is None else metrics)
    if more := [name for name in names if name not in possible]:
        raise InputError(f"metric {', '.join(more)} needs more than two maps; choose from {', '.join(possible)}")
    found = score_case(Case.of(estimate, reference, mask, voxel_size, extent=extent), names)
    return {score.metric: score.value for score in found if score.region == WHOLE_MASK}
