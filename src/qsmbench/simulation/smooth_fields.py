"""Random fields with a spectrum: cubic B-splines of random nodes, power laws in k, and harmonic fields.

A spline field is white noise on a lattice through the lattice's cubic B-spline, close to a Gaussian of standard
deviation spacing / sqrt 3. A power-law field is white noise times (k^2 + k0^2)^(-p/2) in Fourier space. A harmonic
field is the dipole field of random sources where the mask is not: Laplace's equation holds where no source is.
"""

from math import ceil, isfinite

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from qsmbench.core.grid import Grid
from qsmbench.physics.dipole import forward_field
from qsmbench.physics.fourier import irfftn, rfftn

F32 = NDArray[np.float32]

# Below this spatial frequency (1/mm) a power law is level: slower errors leave with the background.
_LEVEL = 0.02
# Background: edge of a block of sources, how far they reach beyond the grid, how far off they stay where the grid cuts
# the head, and the blur of their strength, mm.
_BLOCK, _REACH, _APART, _BLUR = 4.0, 32.0, 16.0, 6.0
# Standard deviation of a source in blocks; a block away from the mask, hardly any of it lies in the mask.
_SOFT = 0.7


def spline_field(grid: Grid, spacing: float, rng: np.random.Generator) -> F32:
    """Return a smooth random field (x, y, z) of zero mean over draws, varying over ``spacing`` mm."""
    nodes = tuple(ceil(extent / spacing) + 4 for extent in grid.extent)
    start = rng.random(3)
    coefficients = rng.standard_normal(nodes, np.float32)
    return spline(coefficients, grid, spacing, tuple(float(-(1 + s) * spacing) for s in start))


def spline(coefficients: F32, grid: Grid, spacing: float, origin: tuple[float, ...]) -> F32:
    """Evaluate a cubic B-spline at a grid's voxels.

    Args:
        coefficients: of the nodes, (l, m, n).
        grid: whose voxels to fill.
        spacing: distance of the nodes, mm.
        origin: place of the first node relative to the grid's lower corner, mm; a voxel without four nodes around it
            takes the nearest ones.
    """
    values = coefficients
    for axis, (n, v) in enumerate(zip(grid.shape, grid.voxel_size, strict=True)):
        place = ((np.arange(n) + 0.5) * v - origin[axis]) / spacing
        first = np.floor(place).astype(int) - 1
        t = (place - np.floor(place)).astype(np.float32)
        s = 1 - t
        weights = (s**3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (3 * s**3 - 6 * s**2 + 4) / 6, t**3 / 6)
        shape = [1, 1, 1]
        shape[axis] = n
        total = None
        # Four sums and no matrix product: the bits of BLAS may depend on its threads.
        for tap, weight in enumerate(weights):
            part = np.take(values, np.clip(first + tap, 0, values.shape[axis] - 1), axis) * weight.reshape(shape)
            total = part if total is None else total + part
        assert total is not None
        values = total
    return np.ascontiguousarray(values, np.float32)


def power_law_field(grid: Grid, exponent: float, rng: np.random.Generator) -> F32:
    """Return a random field (x, y, z) whose amplitude falls as k^-``exponent``, k in 1/mm, with unit variance."""
    noise = torch.from_numpy(rng.standard_normal(grid.shape, np.float32))
    spectrum = rfftn(noise, grid.shape)
    k = [np.fft.fftfreq(n, d=v) for n, v in zip(grid.shape[:2], grid.voxel_size[:2], strict=True)]
    k.append(np.fft.rfftfreq(grid.shape[2], d=grid.voxel_size[2]))
    kx, ky, kz = (ki.astype(np.float32) ** 2 for ki in k)
    k2 = kx[:, None, None] + ky[None, :, None] + kz[None, None, :]
    amplitude = (k2 + np.float32(_LEVEL**2)) ** np.float32(-exponent / 2)
    amplitude[0, 0, 0] = 0.0
    # Of the spectrum and not of the draw, so that the variance of a draw varies as it does from head to head.
    twice = np.full(amplitude.shape[2], 2.0)
    twice[0] = 1.0
    if grid.shape[2] % 2 == 0:
        twice[-1] = 1.0
    power = float((np.square(amplitude, dtype=np.float64).sum(axis=(0, 1)) * twice).sum()) / np.prod(grid.shape)
    amplitude /= np.float32(np.sqrt(power))
    spectrum *= torch.from_numpy(amplitude)
    field: F32 = irfftn(spectrum, grid.shape, grid.shape).numpy()
    return field


def harmonic_field(mask: NDArray[np.bool_], grid: Grid, rng: np.random.Generator) -> F32:
    """Return the field (x, y, z) of random sources outside ``mask``, of zero mean and unit variance in it.

    Sources lie in blocks of 4 mm, one block away from those that hold any of the mask, up to 32 mm beyond the grid;
    beyond a grid's border, where the head may go on, they stay 16 mm away.
    """
    blocks = [max(2, round(extent / _BLOCK)) for extent in grid.extent]
    edges = [extent / n for extent, n in zip(grid.extent, blocks, strict=True)]
    margin = [ceil(_REACH / edge) for edge in edges]
    shape = tuple(n + 2 * m for n, m in zip(blocks, margin, strict=True))
    inside = tuple(slice(m, m + n) for n, m in zip(blocks, margin, strict=True))
    free = np.ones(shape, bool)
    apart = tuple(
        slice(max(0, m - ceil(_APART / e)), m + n + ceil(_APART / e))
        for n, m, e in zip(blocks, margin, edges, strict=True)
    )
    free[apart] = False
    free[inside] = ndimage.binary_erosion(~_any_in_blocks(mask, blocks), border_value=1)
    strength = ndimage.gaussian_filter(rng.standard_normal(shape, np.float32), [_BLUR / e for e in edges], mode="wrap")
    # Sharp blocks ring far into the mask; what is symmetric about a centre has the field of its moment.
    strength = ndimage.gaussian_filter(strength * free, _SOFT)
    coarse = Grid((shape[0], shape[1], shape[2]), (edges[0], edges[1], edges[2]), grid.b0_dir)
    field = forward_field(torch.from_numpy(strength), coarse, 1.5).numpy()
    scaled = Grid(grid.shape, tuple(v / e for v, e in zip(grid.voxel_size, edges, strict=True)))  # type: ignore[arg-type]
    fine = spline(field, scaled, 1.0, tuple(0.5 - m for m in margin))
    values = fine[mask]
    mean, spread = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
    if not (isfinite(spread) and spread > 0):
        return np.zeros(grid.shape, np.float32)
    return (fine - np.float32(mean)) / np.float32(spread)


def _any_in_blocks(mask: NDArray[np.bool_], blocks: list[int]) -> NDArray[np.bool_]:
    held = mask
    for axis, n in enumerate(blocks):
        starts = np.floor(np.arange(n) * held.shape[axis] / n).astype(int)
        held = np.logical_or.reduceat(held, starts, axis=axis)
    return held
