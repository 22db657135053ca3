"""From susceptibility to field: the unit dipole kernel in k-space and its padded convolution.

    field = F^-1[ D F[chi] ],   D(k) = 1/3 - (k . b0_dir)^2 / |k|^2,   D(0) = 0,

with k in 1/mm on the physical grid, so that voxel size and obliquity enter exactly (Salomir 2003, doi
10.1002/cmr.b.10083; Marques & Bowtell 2005, doi 10.1002/cmr.b.20034). D(0) = 0 fixes the mean field, which a shim sets
anyway, to zero.
"""

from __future__ import annotations

import numpy as np
import torch

from qsmbench.core.grid import Grid, Shape, Triple
from qsmbench.physics.fourier import FourierFilter, padded_shape

# Twice the size leaves little of the wrap-around error (docs/physics.md says how much).
DEFAULT_PADDING = 2.0


def dipole_kernel(
    shape: Shape, voxel_size: Triple, b0_dir: Triple = (0.0, 0.0, 1.0), dtype: torch.dtype | None = None
) -> torch.Tensor:
    """Return D on the half spectrum of a grid of ``shape``: (X, Y, Z // 2 + 1), dimensionless, in [-2/3, 1/3].

    On an even axis the Nyquist sample stands for +k and -k at once. Its mixed terms k_i k_j, odd in k_i, therefore take
    their mean, zero: only so is an oblique kernel even, and the convolution real and self-adjoint.

    Args:
        shape: grid of the transform (padded, where there is padding).
        voxel_size: mm.
        b0_dir: unit vector in voxel axes.
        dtype: of the result, by default float32; it is computed in double precision.

    >>> D = dipole_kernel((4, 4, 4), (1.0, 1.0, 1.0))
    >>> float(D[0, 0, 0]), round(float(D[0, 0, 1]), 4), round(float(D[1, 0, 0]), 4)
    (0.0, -0.6667, 0.3333)
    """
    k = [np.fft.fftfreq(n, d=v) for n, v in zip(shape[:2], voxel_size[:2], strict=True)]
    k.append(np.fft.rfftfreq(shape[2], d=voxel_size[2]))
    odd = [ki.copy() for ki in k]
    for ki, n in zip(odd, shape, strict=True):
        if n % 2 == 0:
            ki[n // 2] = 0.0
    squares = [ki**2 for ki in k]
    along_b = [(b * ki) ** 2 for b, ki in zip(b0_dir, k, strict=True)]
    bx, by, bz = b0_dir
    # Plane by plane: what stays in the cache is computed several times as fast, and only the result takes memory.
    result = torch.empty((shape[0], shape[1], len(k[2])), dtype=dtype or torch.float32)
    kernel = result.numpy()
    k2, kb2 = (np.empty(kernel.shape[1:]) for _ in range(2))
    # Without mixed terms in kx, D is the same at -kx, bit for bit.
    mirrored = bx * by == 0.0 and bx * bz == 0.0
    for x in range(shape[0]):
        if mirrored and 2 * x > shape[0]:
            kernel[x] = kernel[shape[0] - x]
            continue
        np.add((squares[0][x] + squares[1])[:, None], squares[2], out=k2)
        np.add((along_b[0][x] + along_b[1])[:, None], along_b[2], out=kb2)
        if x == 0:
            k2[0, 0] = 1.0
        if bx * by != 0.0:
            kb2 += (2 * (bx * by) * odd[0][x] * odd[1])[:, None]
        if bx * bz != 0.0:
            kb2 += 2 * (bx * bz) * odd[0][x] * odd[2]
        if by * bz != 0.0:
            kb2 += (2 * (by * bz) * odd[1])[:, None] * odd[2]
        np.divide(kb2, k2, out=kb2)
        np.subtract(1.0 / 3.0, kb2, out=kernel[x], casting="same_kind")
    kernel[0, 0, 0] = 0.0
    return result


class DipoleConvolution(FourierFilter):
    """The dipole forward model chi -> field on a grid, zero-padded against wrap-around.

    Real, linear, self-adjoint, differentiable. ``padded`` is the grid of the transform and ``kernel`` D on it.

    Args:
        grid: geometry of chi and field.
        padding: factor by which each axis is enlarged (then rounded up to a fast size) before the periodic
            convolution; 1 leaves it periodic.
        device: where to keep the kernel.
        dtype: float32, or float64 for tests of exactness.
    """

    def __init__(
        self,
        grid: Grid,
        padding: float = DEFAULT_PADDING,
        device: str | torch.device = "cpu",
        dtype: torch.dtype | None = None,
    ) -> None:
        padded = padded_shape(grid.shape, padding)
        kernel = dipole_kernel(padded, grid.voxel_size, grid.b0_dir, dtype).to(device)
        super().__init__(kernel, grid.shape, padded)

    @property
    def kernel(self) -> torch.Tensor:
        """D on the padded half spectrum."""
        return self.multiplier


def forward_field(chi: torch.Tensor, grid: Grid, padding: float = DEFAULT_PADDING) -> torch.Tensor:
    """Field in ppm of ``chi`` (x, y, z) in ppm on ``grid``."""
    if chi.dtype != torch.float64:
        chi = chi.float()
    return DipoleConvolution(grid, padding, chi.device, chi.dtype)(chi)
