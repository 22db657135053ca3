"""RMSE of the 2016 challenge: the error's norm relative to the reference's.

RMSE = 100 ||chi - chi_ref||_2 / ||chi_ref||_2, over the voxels of the mask.

Langkammer et al., Quantitative susceptibility mapping: report from the 2016 reconstruction challenge,
Magn Reson Med 79 (2018) 1661, doi:10.1002/mrm.26830 (``compute_rmse.m`` of its evaluation scripts).
"""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from qsmbench.metrics.pair import masked_pair, relative_error


def rmse(estimate: ArrayLike, reference: ArrayLike, mask: ArrayLike, *, voxel_size: Sequence[float]) -> float:
    """Return the relative root-mean-square error in %, 0 at best; a map of zeros scores 100.

    What rankings turn on:
        - Averaging: all voxels of the mask weigh the same, those a method left at zero included.
        - Offset: nothing is demeaned. QSM leaves the mean of chi undetermined, so a method with another zero point pays
          for it here; see `nrmse_demeaned` for the score without it.
        - Regularisation: noise and streaks cost more than lost contrast, so the minimum sits at over-smoothed maps
          (Milovic et al. 2020, doi:10.1002/mrm.28185).

    Anisotropic voxels: every voxel counts once, whatever its size or shape; ``voxel_size`` is checked and not used.

    Args:
        estimate: (x, y, z), ppm.
        reference: (x, y, z), ppm.
        mask: (x, y, z), positive inside.
        voxel_size: in mm.

    Raises:
        InputError: see `qsmbench.metrics.pair.masked_pair`.

    >>> rmse([[[0.0, 0.0, 9.0]]], [[[3.0, 4.0, 0.0]]], [[[1, 1, 0]]], voxel_size=(1, 1, 1))
    100.0
    """
    return relative_error(*masked_pair(estimate, reference, mask, voxel_size).inside)
