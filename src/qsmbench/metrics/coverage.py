"""Coverage: how much of the mask a method produced values for.

coverage = |{voxels of the mask where chi is finite and chi != 0}| / |extent|, where the extent is the mask if a case
has no other.

Methods that erode the brain, or fail in parts of it, return zeros there. Every metric counts those zeros as values, so
that missing brain costs something; this number tells missing brain from wrong values. QSM-CI publishes the same.
"""

from __future__ import annotations

import numpy as np

from qsmbench.metrics.case import WHOLE_MASK, Case


def coverage(case: Case) -> dict[str, float]:
    """Return the fraction of the voxels that the method covers, 0 to 1: of the mask, or of the case's extent.

    A voxel is covered where the estimate is finite and not exactly 0. A method that computes an exact 0 somewhere loses
    that voxel too: negligible in floating point, but a map that was rounded or clipped at 0 reads too low. Unlike the
    metrics proper, this one takes a map with NaN in it, to say how bad it is.

    Where a case has an extent, such as the whole brain of a scan whose mask is the part with a known field, what the
    mask lacks of it is missing for every method alike.

    Anisotropic voxels: every voxel counts once.

    >>> coverage(Case.of([[[0.0, 0.1, float("nan"), 0.2]]], [[[1, 1, 1, 1]]], [[[1, 1, 1, 1]]], (1, 1, 1)))
    {'mask': 0.5}
    """
    values = np.asarray(case.estimate)[case.inside].astype(np.float64)
    covered = int(np.count_nonzero(np.isfinite(values) & (values != 0))) / values.size
    if case.extent is None:
        return {WHOLE_MASK: covered}
    return {WHOLE_MASK: covered * (values.size / float(np.count_nonzero(np.asarray(case.extent) > 0)))}
