"""NRMSE of the 2019 challenge: the relative error once each map has lost its own mean inside the mask.

NRMSE = 100 ||x - t||_2 / ||t||_2,  x = chi - mean(chi), t = chi_ref - mean(chi_ref), means and norms over the mask.

QSM Challenge 2.0 Organization Committee, QSM reconstruction challenge 2.0: design and report of results,
Magn Reson Med 86 (2021) 1241, doi:10.1002/mrm.28754 (first output of ``compute_rmse_detrend``).
"""

from __future__ import annotations

from qsmbench.metrics.case import WHOLE_MASK, Case
from qsmbench.metrics.pair import demeaned_inside, relative_error


def nrmse_demeaned(case: Case) -> dict[str, float]:
    """Return the relative root-mean-square error after demeaning in %, 0 at best; a constant map scores 100.

    What rankings turn on:
        - Offset: none, by construction. The dipole kernel does not determine the mean of chi, and this score does not
          ask for it. Means are taken over the whole mask, so a large error in one place shifts every other voxel.
        - Denominator: the reference's spread, not its size. It is smaller than that of `rmse` wherever the reference's
          mean is not zero, so the two columns are not comparable.
        - Averaging: all voxels of the mask weigh the same, in the means too, those a method left at zero included.

    Anisotropic voxels: every voxel counts once, whatever its size or shape.

    Raises:
        InputError: see `qsmbench.metrics.case.Case.pair_with_margin`; a reference that is constant inside the mask.

    >>> nrmse_demeaned(Case.of([[[5.0, 7.0]]], [[[-1.0, 1.0]]], [[[1, 1]]], (1, 1, 1)))
    {'mask': 0.0}
    """
    return {WHOLE_MASK: relative_error(*demeaned_inside(case.pair))}
