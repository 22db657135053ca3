"""The mean over a sphere as a multiplier in k-space (spherical mean value, SMV).

    (S x)(r) = mean of x over the voxels whose centre lies within R mm of r;   S = F^-1[ h F ], h real, even, h(0) = 1

Fields of far sources are harmonic and thus unchanged by S, which is what background removal rests on (Schweser 2011,
doi 10.1016/j.neuroimage.2010.10.070). The voxels of a sphere are no sphere where they are longer along one axis: S then
adds half the second derivative along it times the difference of the second moments. `sphere_weights` can weight the
voxels so that the moments agree; on voxels of 1 x 1 x 2 mm four times less of a head's background gets through then.
"""

from __future__ import annotations

import cmath
import math

import numpy as np
import torch

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Shape, Triple
from qsmbench.physics.fourier import rfftn


def sphere_offsets(voxel_size: Triple, radius: float) -> np.ndarray:
    """Which voxels around the centre one belong to the sphere: bool, odd sizes, centre in the middle.

    >>> int(sphere_offsets((1.0, 1.0, 2.0), 1.0).sum())
    5
    """
    if not radius >= 0:
        raise InputError(f"sphere radius must be at least 0 mm, got {radius}")
    # A voxel exactly on the sphere belongs to it, whatever the rounding of its distance.
    limit = radius * (1 + 1e-9)
    reach = [int(limit / v) for v in voxel_size]
    x, y, z = ((np.arange(-n, n + 1) * v) ** 2 for n, v in zip(reach, voxel_size, strict=True))
    inside: np.ndarray = x[:, None, None] + y[None, :, None] + z[None, None, :] <= limit**2
    return inside


def sphere_weights(voxel_size: Triple, radius: float, balanced: bool = False) -> np.ndarray:
    """Weights of the voxels of :func:`sphere_offsets`, zero outside the sphere, with a sum of one (float64).

    Equal weights, or ``balanced`` ones: w = c + a x^2 + b y^2 + d z^2, the least change that makes the second moments
    along the axes equal their mean (ours). Where this would take a weight below zero (a sphere of a voxel or two along
    an axis) the weights stay equal.

    >>> w = sphere_weights((1.0, 1.0, 2.0), 6.0, balanced=True)
    >>> z2 = (np.arange(-3, 4) * 2.0) ** 2
    >>> x2 = np.arange(-6, 7) ** 2.0
    >>> bool(np.isclose((w * z2).sum(), (w * x2[:, None, None]).sum()))
    True
    """
    inside = sphere_offsets(voxel_size, radius)
    equal: np.ndarray = inside / inside.sum()
    if not balanced:
        return equal
    squares = ((np.argwhere(inside) - np.array(inside.shape) // 2) * np.array(voxel_size)) ** 2
    terms = np.column_stack([np.ones(len(squares)), squares])
    wanted = np.array([1.0, *[squares.mean()] * 3])
    factors, *_ = np.linalg.lstsq(terms.T @ terms, wanted, rcond=None)
    weights = terms @ factors
    if weights.min() <= 0 or not np.allclose(terms.T @ weights, wanted, rtol=1e-6):
        return equal
    balance = np.zeros(inside.shape)
    balance[inside] = weights
    return balance


def sphere_mean(padded: Shape, voxel_size: Triple, radius: float, balanced: bool = False) -> torch.Tensor:
    """Return h on the half spectrum (X, Y, Z // 2 + 1) of a grid of shape ``padded``, float32.

    Args:
        padded: grid of the transform.
        voxel_size: mm.
        radius: R, mm; below the smallest voxel edge the sphere is one voxel and h = 1.
        balanced: weights of :func:`sphere_weights`.

    Raises:
        InputError: a sphere that does not fit into the grid, or a negative radius.
    """
    weights = sphere_weights(voxel_size, radius, balanced)
    if any(s > n for s, n in zip(weights.shape, padded, strict=True)):
        raise InputError(f"a sphere of {radius:g} mm spans {weights.shape} voxels and does not fit into {padded}")
    # Transforming the sphere where it starts at voxel 0 lets the padded passes be pruned; the shift makes it even.
    h = rfftn(torch.from_numpy(weights), padded)
    for axis, n_inside in enumerate(weights.shape):
        n = h.shape[axis]
        shift = [cmath.exp(2j * math.pi * k * (n_inside // 2) / padded[axis]) for k in range(n)]
        h *= torch.tensor(shift, dtype=h.dtype).reshape([-1 if a == axis else 1 for a in range(3)])
    return h.real.to(torch.float32)
