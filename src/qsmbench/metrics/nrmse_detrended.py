"""Detrended NRMSE of the 2019 challenge: the relative error after the best-fitting scale has been taken out.

With demeaned maps x and t as in `nrmse_demeaned`, fit x = a t by least squares and undo it:
dNRMSE = 100 ||x / a - t||_2 / ||t||_2,  a = <x, t> / <t, t>.

QSM Challenge 2.0 Organization Committee, Magn Reson Med 86 (2021) 1241, doi:10.1002/mrm.28754 (second output of
``compute_rmse_detrend``). Public drafts of that script differ in this step: one fits t on x instead, which gives
100 sqrt(1 - r^2), and one works out 1 / a but applies a. The form here is what the latter's comments say it does, and
what QSM.rs, QSM-CI and other ports compute.
"""

from __future__ import annotations

from math import nan

from qsmbench.metrics.case import WHOLE_MASK, Case
from qsmbench.metrics.pair import demeaned_inside, inner, relative_error


def nrmse_detrended(case: Case) -> dict[str, float]:
    """Return the relative root-mean-square error after demeaning and rescaling in %, 0 at best, unbounded.

    What rankings turn on:
        - Scale: none, by construction. A map with half the contrast loses nothing, so read it beside `nrmse_demeaned`:
          the gap between them is the systematic underestimation.
        - Correlation, and nothing else: the score is 100 sqrt(1 / r^2 - 1) with Pearson's r inside the mask, so it
          ranks methods exactly as |r| does. It is blind to the sign (a map upside down scores as one the right way up),
          and grows without bound where the map tells nothing.
        - Averaging: all voxels of the mask, those a method left at zero included.

    Anisotropic voxels: every voxel counts once, whatever its size or shape.

    Returns:
        The score; nan where there is no slope to divide by: an estimate that is constant, or without any correlation.

    Raises:
        InputError: see `qsmbench.metrics.case.Case.pair_with_margin`; a reference that is constant inside the mask.

    >>> nrmse_detrended(Case.of([[[5.0, 7.0, 6.0]]], [[[-2.0, 2.0, 0.0]]], [[[1, 1, 1]]], (1, 1, 1)))
    {'mask': 0.0}
    """
    estimate, _ = case.pair.inside
    x, t = demeaned_inside(case.pair)
    slope = 0.0 if estimate.min() == estimate.max() else inner(x, t) / inner(t, t)
    return {WHOLE_MASK: nan if slope == 0 else relative_error(x / slope, t)}
