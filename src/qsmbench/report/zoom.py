"""A subject cut down to the surroundings of its strongest source: where a lesion lies, methods differ most."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.ndimage import uniform_filter

from qsmbench.report.volumes import Subject

# Half the edge of the cut in mm, and the edge of the mean that finds the source: bodies, not single voxels.
REACH = 18.0
_SIZE = 6.0


def strongest_source(subject: Subject) -> Subject | None:
    """Return the subject around the largest mean |chi| of the reference; None without a reference or where it is zero.

    The mask of the result ends with the cut, whose middle is where planes are put.
    """
    if subject.chi_ref is None:
        return None
    size = [max(1, round(_SIZE / v)) for v in subject.voxel_size]
    mean = uniform_filter(np.where(subject.mask, np.abs(subject.chi_ref), 0).astype(np.float32), size, mode="constant")
    if not mean.any():
        return None
    centre = np.unravel_index(int(np.argmax(mean)), mean.shape)
    edges = []
    for at, voxel, n in zip(centre, subject.voxel_size, mean.shape, strict=True):
        reach = max(2, round(REACH / voxel))
        edges.append(slice(max(int(at) - reach, 0), min(int(at) + reach + 1, n)))
    x, y, z = edges
    return replace(
        subject,
        local_field=subject.local_field[x, y, z],
        mask=subject.mask[x, y, z],
        chi_ref=subject.chi_ref[x, y, z],
        estimates={m: None if chi is None else chi[x, y, z] for m, chi in subject.estimates.items()},
    )
