"""Coverage: how much of the reference's mask a method produced values for.

coverage = |{voxels of the mask where chi is finite and chi != 0}| / |mask|.

Methods that erode the brain, or fail in parts of it, return zeros there. Every metric counts those zeros as values, so
that missing brain costs something; this number tells missing brain from wrong values. QSM-CI publishes the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from qsmbench.metrics.pair import check_volumes


def coverage(estimate: ArrayLike, reference: ArrayLike, mask: ArrayLike, *, voxel_size: Sequence[float]) -> float:
    """Return the fraction of the mask's voxels that the method covers, 0 to 1.

    A voxel is covered where the estimate is finite and not exactly 0. A method that computes an exact 0 somewhere loses
    that voxel too: negligible in floating point, but a map that was rounded or clipped at 0 reads too low. Unlike the
    metrics proper, this one takes a map with NaN in it, to say how bad it is.

    Anisotropic voxels: every voxel counts once; ``voxel_size`` is checked and not used.

    Args:
        estimate: (x, y, z), ppm.
        reference: (x, y, z); only its shape counts.
        mask: (x, y, z), positive inside.
        voxel_size: in mm.

    Raises:
        InputError: see `qsmbench.metrics.pair.check_volumes`.

    >>> coverage([[[0.0, 0.1, float("nan"), 0.2]]], [[[1, 1, 1, 1]]], [[[1, 1, 1, 1]]], voxel_size=(1, 1, 1))
    0.5
    """
    chi, _, inside = check_volumes(estimate, reference, mask, voxel_size)
    values = chi[inside].astype(np.float64)
    return int(np.count_nonzero(np.isfinite(values) & (values != 0))) / values.size
