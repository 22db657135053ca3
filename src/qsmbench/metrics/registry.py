"""Every metric by name, and `score`, which applies them to one map.

To add one: a file in this folder with a function of the common contract, and one line here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from numpy.typing import ArrayLike

from qsmbench.core.errors import InputError
from qsmbench.metrics.correlation import correlation
from qsmbench.metrics.coverage import coverage
from qsmbench.metrics.hfen import hfen
from qsmbench.metrics.nrmse_demeaned import nrmse_demeaned
from qsmbench.metrics.nrmse_detrended import nrmse_detrended
from qsmbench.metrics.rmse import rmse
from qsmbench.metrics.ssim import ssim
from qsmbench.metrics.xsim import xsim


class MetricFunction(Protocol):
    """The contract of a metric; see `qsmbench.metrics`."""

    def __call__(
        self, estimate: ArrayLike, reference: ArrayLike, mask: ArrayLike, *, voxel_size: Sequence[float]
    ) -> float:
        """Compare two volumes (x, y, z) in ppm on the voxels of the mask; voxel size in mm."""


@dataclass(frozen=True)
class Metric:
    """What a table needs to know of a metric.

    Attributes:
        name: key in results.
        label: heading in tables.
        unit: of the score; empty where it has none.
        better: which end of the scale is the good one.
        function: computes it.
        doi: of the definition; empty where the definition is our own.
    """

    name: str
    label: str
    unit: str
    better: Literal["lower", "higher"]
    function: MetricFunction
    doi: str


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("rmse", "RMSE", "%", "lower", rmse, "10.1002/mrm.26830"),
        Metric("hfen", "HFEN", "%", "lower", hfen, "10.1002/mrm.26830"),
        Metric("ssim", "SSIM", "", "higher", ssim, "10.1002/mrm.26830"),
        Metric("xsim", "XSIM", "", "higher", xsim, "10.1002/mrm.30271"),
        Metric("nrmse_demeaned", "NRMSE, demeaned", "%", "lower", nrmse_demeaned, "10.1002/mrm.28754"),
        Metric("nrmse_detrended", "NRMSE, detrended", "%", "lower", nrmse_detrended, "10.1002/mrm.28754"),
        Metric("correlation", "Correlation", "", "higher", correlation, "10.1098/rspl.1895.0041"),
        Metric("coverage", "Coverage", "", "higher", coverage, ""),
    )
}


def score(
    estimate: ArrayLike,
    reference: ArrayLike,
    mask: ArrayLike,
    voxel_size: Sequence[float],
    metrics: Iterable[str] = tuple(METRICS),
) -> dict[str, float]:
    """Score one map against its reference with the metrics named, in their order; coverage is always among them.

    Args:
        estimate: (x, y, z), ppm. Values outside the mask do not matter, NaN included.
        reference: (x, y, z), ppm.
        mask: (x, y, z), positive inside: the reference's mask, the same for every method.
        voxel_size: in mm.
        metrics: names from `METRICS`.

    Returns:
        One number a name; nan where a metric is undefined for this estimate (a constant map has no correlation), to be
        written as null in JSON.

    Raises:
        InputError: an unknown metric; volumes that are not 3-D or differ in shape; an empty mask; an estimate or
            reference with values that are not finite inside the mask; a reference that is zero, or constant, there.

    >>> import numpy as np
    >>> chi = np.linspace(-0.1, 0.1, 64).reshape(4, 4, 4)
    >>> score(chi, chi, np.ones((4, 4, 4)), (1, 1, 1), metrics=("rmse", "xsim"))
    {'rmse': 0.0, 'xsim': 1.0, 'coverage': 1.0}
    """
    names = list(dict.fromkeys([*metrics, "coverage"]))
    unknown = [name for name in names if name not in METRICS]
    if unknown:
        raise InputError(f"unknown metric {', '.join(unknown)}; choose from {', '.join(METRICS)}")
    return {name: METRICS[name].function(estimate, reference, mask, voxel_size=voxel_size) for name in names}
