"""Streaking around the calcification (2019 challenge): scatter in its rim relative to its own susceptibility.

SD of the residuals of the least-squares line chi = a chi_ref + b in the rim, divided by |mean chi| of what was found of
the calcification; see `calcification` for both.

QSM Challenge 2.0 Organization Committee, Magn Reson Med 86 (2021) 1241, doi:10.1002/mrm.28754.
"""

from __future__ import annotations

from math import sqrt

from qsmbench.metrics.calcification import cut_out
from qsmbench.metrics.case import WHOLE_MASK, Case


def calcification_streak(case: Case) -> dict[str, float]:
    """Return the streaking level, 0 at best; nothing without a labelled calcification.

    What rankings turn on:
        - The rim holds everything that is wrong within 4 voxels of the cube, streaks or not.
        - nan where the estimate shows no calcification, so that a method that wipes it out has no score here; see
          `calcification_moment` for what that costs.
        - A rim that leaves the brain counts the zeros outside, of which both maps have the same number.
    """
    found = cut_out(case)
    if found is None:
        return {}
    chi, truth = found.rim
    if not found.found.size or chi.size < 2 or found.found.mean() == 0:
        return {WHOLE_MASK: float("nan")}
    x, y = truth - truth.mean(), chi - chi.mean()
    spread = float((x * x).sum())
    slope = float((x * y).sum()) / spread if spread > 0 else 0.0
    residual = y - slope * x
    return {WHOLE_MASK: sqrt(float((residual * residual).mean())) / abs(float(found.found.mean()))}
