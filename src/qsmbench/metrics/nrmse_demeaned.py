"""NRMSE of the 2019 challenge: the relative error once each map has lost its own mean inside the mask.

NRMSE = 100 ||x - t||_2 / ||t||_2,  x = chi - mean(chi), t = chi_ref - mean(chi_ref), means and norms over the mask.

QSM Challenge 2.0 Organization Committee, QSM reconstruction challenge 2.0: design and report of results,
Magn Reson Med 86 (2021) 1241, doi:10.1002/mrm.28754 (first output of ``compute_rmse_detrend``).
"""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from qsmbench.metrics.pair import demeaned_inside, masked_pair, relative_error


def nrmse_demeaned(estimate: ArrayLike, reference: ArrayLike, mask: ArrayLike, *, voxel_size: Sequence[float]) -> float:
    """Return the relative root-mean-square error after demeaning in %, 0 at best; a constant map scores 100.

    What rankings turn on:
        - Offset: none, by construction. The dipole kernel does not determine the mean of chi, and this score does not
          ask for it. Means are taken over the whole mask, so a large error in one place shifts every other voxel.
        - Denominator: the reference's spread, not its size. It is smaller than that of `rmse` wherever the reference's
          mean is not zero, so the two columns are not comparable.
        - Averaging: all voxels of the mask weigh the same, in the means too, those a method left at zero included.

    Anisotropic voxels: every voxel counts once, whatever its size or shape; ``voxel_size`` is checked and not used.

    Args:
        estimate: (x, y, z), ppm.
        reference: (x, y, z), ppm.
        mask: (x, y, z), positive inside.
        voxel_size: in mm.

    Raises:
        InputError: see `qsmbench.metrics.pair.masked_pair`; a reference that is constant inside the mask.

    >>> nrmse_demeaned([[[5.0, 7.0]]], [[[-1.0, 1.0]]], [[[1, 1]]], voxel_size=(1, 1, 1))
    0.0
    """
    return relative_error(*demeaned_inside(masked_pair(estimate, reference, mask, voxel_size)))
