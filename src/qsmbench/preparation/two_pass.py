"""Two masks: a strict one for the field, a filled one for chi.

Where a bleed, a calcification or a vein has taken the signal, the phase tells of no field, and background removal
spreads what stands there over a sphere's radius. Leaving such voxels out of the mask costs as much around each hole. So
the field is believed in the strict mask alone, without them, and continued into them as a harmonic function:

    Laplace field = 0 in the holes,   field = total on their rim

The background is harmonic, so its continuation is right; the local field is continued as if there were no sources in
the hole but what its rim shows. Background removal and inversion then see the whole mask, with the noise of the filled
voxels at the largest that occurs, so that methods which weigh by it lean on their surroundings. The idea of two masks
is Stewart's (2022, doi 10.1002/mrm.29048), who inverts twice; the continuation is ours.
"""

from __future__ import annotations

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from qsmbench.core.grid import Triple
from qsmbench.physics.multigrid import Poisson
from qsmbench.preparation.field_fit import FieldFit
from qsmbench.preparation.settings import MaskSettings

_TOLERANCE, _MAX_ITERATIONS = 1e-4, 50


def strict_mask(mask: NDArray[np.bool_], fit: FieldFit, settings: MaskSettings) -> NDArray[np.bool_]:
    """Return the voxels of ``mask`` (x, y, z) that have signal left, by the noise of their field.

    Neither misfit nor coherence enter: veins have both wrong by partial volume, and still tell more of the field than
    what is around them does.
    """
    if settings.max_noise is None:
        return mask
    return mask & (fit.field_noise <= settings.max_noise * float(np.median(fit.field_noise[mask])))


def continued(
    field: NDArray[np.float32], strict: NDArray[np.bool_], mask: NDArray[np.bool_], voxel_size: Triple
) -> NDArray[np.float32]:
    """Return ``field`` (x, y, z), known in ``strict``, continued into the rest of ``mask``; zero outside it."""
    holes = mask & ~strict
    if not holes.any() or not strict.any():
        return np.where(mask, field, 0).astype(np.float32)
    # What lies outside the mask is no neighbour to continue from: it takes the value of the nearest known voxel.
    nearest = scipy.ndimage.distance_transform_edt(
        ~strict, sampling=voxel_size, return_distances=False, return_indices=True
    )
    around = field[tuple(nearest)].astype(np.float32)
    box = tuple(
        slice(max(part.start - 2, 0), part.stop + 2) for part in scipy.ndimage.find_objects(holes.astype(np.uint8))[0]
    )
    equation = Poisson(np.ascontiguousarray(holes[box]), voxel_size)
    start = np.ascontiguousarray(around[box])
    off = equation.solve(equation.source(start), tolerance=_TOLERANCE, max_iterations=_MAX_ITERATIONS).x.numpy()
    around[box] -= np.where(holes[box], off, 0)
    return np.where(mask, around, 0).astype(np.float32)
