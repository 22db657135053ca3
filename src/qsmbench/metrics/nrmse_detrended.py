"""Detrended NRMSE of the 2019 challenge: the relative error after the best-fitting scale has been taken out.

With demeaned maps x and t as in `nrmse_demeaned`, fit x = a t by least squares and undo it:
dNRMSE = 100 ||x / a - t||_2 / ||t||_2,  a = <x, t> / <t, t>.

QSM Challenge 2.0 Organization Committee, Magn Reson Med 86 (2021) 1241, doi:10.1002/mrm.28754 (second output of
``compute_rmse_detrend``). Public drafts of that script differ in this step: one fits t on x instead, which gives
100 sqrt(1 - r^2), and one works out 1 / a but applies a. The form here is what the latter's comments say it does, and
what QSM.rs, QSM-CI and other ports compute.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

from numpy.typing import ArrayLike

from qsmbench.metrics.pair import demeaned_inside, inner, masked_pair, relative_error


def nrmse_detrended(
    estimate: ArrayLike, reference: ArrayLike, mask: ArrayLike, *, voxel_size: Sequence[float]
) -> float:
    """Return the relative root-mean-square error after demeaning and rescaling in %, 0 at best, unbounded.

    What rankings turn on:
        - Scale: none, by construction. A map with half the contrast loses nothing, so read it beside `nrmse_demeaned`:
          the gap between them is the systematic underestimation.
        - Correlation, and nothing else: the score is 100 sqrt(1 / r^2 - 1) with Pearson's r inside the mask, so it
          ranks methods exactly as |r| does. It is blind to the sign (a map upside down scores as one the right way up),
          and grows without bound where the map tells nothing.
        - Averaging: all voxels of the mask, those a method left at zero included.

    Anisotropic voxels: every voxel counts once, whatever its size or shape; ``voxel_size`` is checked and not used.

    Args:
        estimate: (x, y, z), ppm.
        reference: (x, y, z), ppm.
        mask: (x, y, z), positive inside.
        voxel_size: in mm.

    Returns:
        The score; nan where there is no slope to divide by: an estimate that is constant, or without any correlation.

    Raises:
        InputError: see `qsmbench.metrics.pair.masked_pair`; a reference that is constant inside the mask.

    >>> nrmse_detrended([[[5.0, 7.0, 6.0]]], [[[-2.0, 2.0, 0.0]]], [[[1, 1, 1]]], voxel_size=(1, 1, 1))
    0.0
    """
    pair = masked_pair(estimate, reference, mask, voxel_size)
    x, t = demeaned_inside(pair)
    slope = 0.0 if pair.inside[0].min() == pair.inside[0].max() else inner(x, t) / inner(t, t)
    return nan if slope == 0 else relative_error(x / slope, t)
