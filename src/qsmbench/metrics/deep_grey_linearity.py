"""Deviation from linearity of the deep grey nuclei (2019 challenge): |1 - slope| of their mean susceptibilities.

With the mean of the estimate y_i and of the reference x_i over nucleus i (both sides together), slope is that of the
least-squares line y = slope x + intercept through the nuclei.

QSM Challenge 2.0 Organization Committee, Magn Reson Med 86 (2021) 1241, doi:10.1002/mrm.28754.
"""

from __future__ import annotations

import numpy as np

from qsmbench.metrics.case import WHOLE_MASK, Case
from qsmbench.metrics.regions import MIN_VOXELS, NUCLEI, voxels


def deep_grey_linearity(case: Case) -> dict[str, float]:
    """Return |1 - slope|, 0 at best; nothing with fewer than two nuclei in view.

    What rankings turn on:
        - The pallidum, whose iron sets it apart from the rest, decides the slope.
        - Offset and scatter do not count: see `region_error` for them.
        - Six points at most: a change of a few ppb in one nucleus is a change of some hundredths here.
    """
    places = [where for where in (voxels(case, (name,)) for name in NUCLEI) if np.count_nonzero(where) >= MIN_VOXELS]
    x = np.array([case.truth[where].mean() for where in places])
    y = np.array([case.chi[where].mean() for where in places])
    if len(x) < 2 or x.min() == x.max():
        return {}
    x = x - x.mean()
    return {WHOLE_MASK: float(abs(1 - (x * y).sum() / (x * x).sum()))}
