"""Which voxels are centres of spheres that lie wholly inside the mask: an erosion by a sphere in mm."""

from __future__ import annotations

import torch

from qsmbench.core.grid import Triple
from qsmbench.physics.fourier import FourierFilter
from qsmbench.physics.smv import sphere_mean, sphere_weights


def sphere_filter(shape: tuple[int, int, int], voxel_size: Triple, radius: float) -> FourierFilter:
    """Return the spherical mean on a periodic box of ``shape``, its second moments the same along every axis."""
    return FourierFilter(sphere_mean(shape, voxel_size, radius, balanced=True), shape, shape)


def eroded(mask: torch.Tensor, smv: FourierFilter, voxel_size: Triple, radius: float) -> torch.Tensor:
    """Return the centres (bool) of the spheres of ``radius`` mm inside ``mask``; ``smv`` is the mean over one."""
    weights = sphere_weights(voxel_size, radius, balanced=True)
    # One voxel outside lowers the mean by its weight; half of the smallest is far above the rounding of a float32 FFT.
    inside: torch.Tensor = smv(mask.float()) > 1 - 0.5 * float(weights[weights > 0].min())
    return inside & mask
