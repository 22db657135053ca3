"""Detrended NRMSE within tissue, deep grey matter and blood (2019 challenge).

`nrmse_detrended` with the region in the place of the mask: mean and slope are the region's own.

QSM Challenge 2.0 Organization Committee, Magn Reson Med 86 (2021) 1241, doi:10.1002/mrm.28754.
"""

from __future__ import annotations

from dataclasses import replace
from math import nan

from qsmbench.metrics.case import WHOLE_MASK, Case
from qsmbench.metrics.nrmse_detrended import nrmse_detrended
from qsmbench.metrics.regions import regions


def region_error(case: Case) -> dict[str, float]:
    """Return the error in % of every region that the labels hold, 0 at best.

    What rankings turn on:
        - Own mean and slope: a method that gets every nucleus wrong by one common offset and factor scores 0.
        - Few voxels: a region of a hundred voxels is decided by its edges, where labels are uncertain too.
        - A region in which the reference is constant has no score (nan).
    """
    scores = {}
    for name, where in regions(case).items():
        inside = case.truth[where]
        constant = inside.min() == inside.max()
        scores[name] = nan if constant else nrmse_detrended(replace(case, mask=where))[WHOLE_MASK]
    return scores
