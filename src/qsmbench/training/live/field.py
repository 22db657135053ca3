"""The field in a window of a head: of what lies in it on its own grid, of all else on a coarse one.

    field = P[chi in the window] + interpolate( C[chi outside it] ),

P the dipole convolution on the window's grid, padded to twice its size, C the same on cubes of 4 mm around the head's
centre, a grid that all samples share. Sources outside act as Gaussians, whose field a few cells away is that of the
cubes (physics/two_grid.py has the argument). Exact to about a per cent farther than three cells from the window's rim.
"""

from __future__ import annotations

from functools import lru_cache
from math import pi

import numpy as np
import torch

from qsmbench.core.grid import Shape, Triple
from qsmbench.physics.fourier import irfftn, padded_shape, rfftn

CELL = 4.0
CELLS: Shape = (60, 64, 60)
_PADDING = 2.0
_SIGMA = 0.7 * CELL


def coarse_origin() -> Triple:
    """Lower corner of the coarse grid in mm from the head's centre."""
    x, y, z = (-CELL * n / 2 for n in CELLS)
    return (x, y, z)


@lru_cache(maxsize=4)
def dipole_on(shape: Shape, voxel_size: Triple, device: torch.device | str, sigma: float = 0.0) -> torch.Tensor:
    """D on the half spectrum, B0 along z, single precision; ``sigma`` (mm) turns voxels into Gaussians.

    Kept, since samples share it: not to be written to.
    """
    kx, ky = (torch.fft.fftfreq(n, d=v, device=device) ** 2 for n, v in zip(shape[:2], voxel_size[:2], strict=True))
    kz = torch.fft.rfftfreq(shape[2], d=voxel_size[2], device=device) ** 2
    k2 = kx[:, None, None] + ky[:, None] + kz
    k2[0, 0, 0] = 1.0
    kernel: torch.Tensor = 1.0 / 3.0 - kz / k2
    kernel[0, 0, 0] = 0.0
    if sigma > 0:
        kernel *= torch.exp(-2 * (pi * sigma) ** 2 * k2)
    return kernel


def field_in_window(chi: torch.Tensor, coarse: torch.Tensor, voxel_size: Triple, origins: list[Triple]) -> torch.Tensor:
    """Field in ppm of samples (n, x, y, z) that share a voxel size.

    Args:
        chi: in the windows, ppm.
        coarse: (n, *CELLS), mean chi of the cells, ppm, the windows' own tissue included.
        voxel_size: mm.
        origins: each window's lower corner, mm from the head's centre.
    """
    shape: Shape = (chi.shape[1], chi.shape[2], chi.shape[3])
    outside = coarse.clone()
    for number, origin in enumerate(origins):
        shares = [
            _overlap(n, low, low + m * v, start).to(chi)
            for n, low, m, v, start in zip(CELLS, origin, shape, voxel_size, coarse_origin(), strict=True)
        ]
        outside[number] *= 1 - shares[0][:, None, None] * shares[1][:, None] * shares[2]
    far = _convolve(outside, (CELL, CELL, CELL), _SIGMA)
    # One sample at a time: the padded spectrum is the largest array of all.
    field = torch.stack([_convolve(one, voxel_size) for one in chi])
    for number, origin in enumerate(origins):
        mx, my, mz = (
            _interpolation(n, m, v, low, start).to(chi)
            for n, m, v, low, start in zip(CELLS, shape, voxel_size, origin, coarse_origin(), strict=True)
        )
        along_z = torch.einsum("abc,kc->abk", far[number], mz)
        field[number] += torch.einsum("ia,ajk->ijk", mx, torch.einsum("jb,abk->ajk", my, along_z))
    return field


def _convolve(chi: torch.Tensor, voxel_size: Triple, sigma: float = 0.0) -> torch.Tensor:
    shape: Shape = (chi.shape[-3], chi.shape[-2], chi.shape[-1])
    padded = padded_shape(shape, _PADDING)
    spectrum = rfftn(chi, padded)
    kernel = dipole_on(padded, voxel_size, chi.device, sigma)
    torch.view_as_real(spectrum).mul_(kernel[..., None])
    return irfftn(spectrum, padded, shape)


def _overlap(n: int, low: float, high: float, start: float) -> torch.Tensor:
    """Share of each of ``n`` cells from ``start`` on that lies within [``low``, ``high``] mm."""
    left = start + CELL * np.arange(n)
    share = (np.minimum(left + CELL, high) - np.maximum(left, low)) / CELL
    return torch.from_numpy(share.clip(0, 1).astype(np.float32))


def _interpolation(n: int, m: int, voxel: float, low: float, start: float) -> torch.Tensor:
    """Linear interpolation (m, n) from the centres of cells to those of voxels; the rim's cells go on outside."""
    place = ((low + (np.arange(m) + 0.5) * voxel - start) / CELL - 0.5).clip(0, n - 1)
    cell = np.minimum(place.astype(int), n - 2)
    matrix = np.zeros((m, n), np.float32)
    matrix[np.arange(m), cell] = 1 - (place - cell)
    matrix[np.arange(m), cell + 1] = place - cell
    return torch.from_numpy(matrix)
