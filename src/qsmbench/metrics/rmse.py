"""RMSE of the 2016 challenge: the error's norm relative to the reference's.

RMSE = 100 ||chi - chi_ref||_2 / ||chi_ref||_2, over the voxels of the mask.

Langkammer et al., Quantitative susceptibility mapping: report from the 2016 reconstruction challenge,
Magn Reson Med 79 (2018) 1661, doi:10.1002/mrm.26830 (``compute_rmse.m`` of its evaluation scripts).
"""

from __future__ import annotations

from qsmbench.metrics.case import WHOLE_MASK, Case
from qsmbench.metrics.pair import relative_error


def rmse(case: Case) -> dict[str, float]:
    """Return the relative root-mean-square error in %, 0 at best; a map of zeros scores 100.

    What rankings turn on:
        - Averaging: all voxels of the mask weigh the same, those a method left at zero included.
        - Offset: nothing is demeaned. QSM leaves the mean of chi undetermined, so a method with another zero point pays
          for it here; see `nrmse_demeaned` for the score without it.
        - Regularization: noise and streaks cost more than lost contrast, so the minimum sits at over-smoothed maps
          (Milovic et al. 2020, doi:10.1002/mrm.28185).

    Anisotropic voxels: every voxel counts once, whatever its size or shape.

    Raises:
        InputError: see `qsmbench.metrics.case.Case.pair_with_margin`.

    >>> rmse(Case.of([[[0.0, 0.0, 9.0]]], [[[3.0, 4.0, 0.0]]], [[[1, 1, 0]]], (1, 1, 1)))
    {'mask': 100.0}
    """
    return {WHOLE_MASK: relative_error(*case.pair.inside)}
