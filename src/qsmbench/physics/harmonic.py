"""The harmonic part of a field in a mask: what cannot be told there from the field of sources outside.

Fields of sources outside a mask are harmonic in it, and all that is harmonic can be made by sources outside. So a field
splits into two that are orthogonal over the mask's voxels (as the Bergman space of harmonic functions has it),

    field = h + x,   Laplace h = 0 within the mask,   x = argmin |x|^2 with Laplace x = Laplace field,

and of the two, only x is told by the Laplacian. With L the Laplacian at voxels whose six neighbours lie in the mask,
x = L^T u and L L^T u = L field: conjugate gradients, twice a multigrid cycle for the preconditioner, since L L^T is the
square of Poisson's operator but at the rim.
"""

from __future__ import annotations

import numpy as np
import scipy.ndimage
import torch
from numpy.typing import NDArray

from qsmbench.core.grid import Triple
from qsmbench.physics.conjugate_gradients import conjugate_gradients
from qsmbench.physics.multigrid import Poisson


def without_harmonic(
    field: NDArray[np.float32],
    mask: NDArray[np.bool_],
    voxel_size: Triple,
    *,
    tolerance: float = 1e-3,
    max_iterations: int = 100,
) -> NDArray[np.float32]:
    """Return the field without its harmonic part in the mask, (x, y, z), zero outside it; the rim belongs to the mask.

    Args:
        field: (x, y, z), any unit.
        mask: (x, y, z).
        voxel_size: mm.
        tolerance: of the equation's residual, relative.
        max_iterations: at most so many steps.
    """
    inside = np.pad(mask, 1)
    interior = scipy.ndimage.binary_erosion(inside)
    if not interior.any():
        return np.zeros(mask.shape, np.float32)
    equation = Poisson(interior, voxel_size)
    weights = [np.float32((min(voxel_size) / v) ** 2) for v in voxel_size]

    def laplacian(x: NDArray[np.float32]) -> NDArray[np.float32]:
        result = np.zeros_like(x)
        for axis, weight in enumerate(weights):
            low = (slice(None),) * axis + (slice(None, -1),)
            high = (slice(None),) * axis + (slice(1, None),)
            step = weight * (x[high] - x[low])
            result[low] -= step
            result[high] += step
        return result

    def normal(u: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(np.where(interior, laplacian(laplacian(u.numpy())), np.float32(0)))

    def rough(r: torch.Tensor) -> torch.Tensor:
        twice = equation.roughly_solved(equation.roughly_solved(np.ascontiguousarray(r.numpy())))
        return torch.from_numpy(np.ascontiguousarray(twice))

    right = np.where(interior, laplacian(np.pad(np.where(mask, field, 0), 1).astype(np.float32)), np.float32(0))
    u = conjugate_gradients(normal, torch.from_numpy(right), rough, tolerance=tolerance, max_iterations=max_iterations)
    x: NDArray[np.float32] = laplacian(u.x.numpy())[1:-1, 1:-1, 1:-1]
    return x
