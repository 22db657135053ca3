"""The free-space dipole field inside a window of a large object, for the price of a small FFT.

In the window chi is known on a fine grid; elsewhere its means over blocks of voxels suffice, because the field of what
lies a few blocks away is smooth. The periodic field of the fine window needs no padding; what it lacks (everything
outside) and what it has too much (its own periodic images) is put right on the coarse grid:

    field = P_fine[chi] + upsample( F_coarse[mean chi] - P_coarse[mean chi in the window] ),

P periodic on the window, F in free space.

Free space: the dipole is cut off beyond a radius R that no pair of source and target exceeds, which is exact and asks
for a period of object + R only (Ronen, Bortolotti & Bohn 2006, doi 10.1103/PhysRevA.74.013623; Vico, Greengard &
Ferrando 2016, doi 10.1016/j.jcp.2016.07.028). With x = 2 pi |k| R, by the l = 2 Hankel transform of 1/r^3 up to R,

    D_R(k) = D(k) (1 - 3 j1(x) / x) = D(k) (1 - 3 (sin x - x cos x) / x^3).

Smoothness: on the coarse grid sharp blocks would ring far into the window. The field outside a spherically symmetric
source depends on its moment alone (Newton's shell theorem; the dipole field is a second derivative of that potential),
so the coarse sources are turned from boxes into Gaussians by G(k) = exp(-2 pi^2 sigma^2 k^2) / (sinc sinc sinc):
farther off than some 3 sigma nothing changes but the ringing, which is gone.

The field is valid where both the window's rim and the blocks outside are farther than the Gaussian reaches.
"""

from math import ceil, sqrt
from typing import TypeAlias

import numpy as np
import scipy.fft
import torch
from numpy.typing import NDArray

from qsmbench.core.compiled import compiled
from qsmbench.core.errors import InputError
from qsmbench.core.grid import Shape, Triple
from qsmbench.physics.fourier import irfftn, rfftn

F64: TypeAlias = NDArray[np.float64]

# Samples of the radial functions per radian of x; linear interpolation is then good to 1e-4 of the largest ripple.
_PER_RADIAN = 16
# Standard deviation of the Gaussian sources in blocks (of the longest edge): what is left at Nyquist is 0.14.
_SIGMA = 0.7


def block_mean(chi: torch.Tensor, factors: Shape) -> torch.Tensor:
    """Average (x, y, z) over blocks of ``factors`` voxels; every axis must be a multiple of its factor.

    Summed slice by slice, so that the bits depend on no thread count.

    Raises:
        InputError: an axis that is no multiple.
    """
    for axis, factor in enumerate(factors):
        if chi.shape[axis] % factor:
            raise InputError(f"axis {axis} of {tuple(chi.shape)} is no multiple of the block's {factor} voxels")
        if factor == 1:
            continue
        parts = [chi[(slice(None),) * axis + (slice(i, None, factor),)] for i in range(factor)]
        total = parts[0].clone()
        for part in parts[1:]:
            total += part
        chi = total / factor
    return chi


def upsample(coarse: torch.Tensor, factors: Shape) -> torch.Tensor:
    """Interpolate block values (x, y, z) at the centres of the blocks' voxels, by Keys' cubic convolution (a = -1/2).

    Keys 1981, doi 10.1109/TASSP.1981.1163711. Beyond the rim the nearest block is repeated.
    """
    for axis in (2, 1, 0):
        factor, n = factors[axis], coarse.shape[axis]
        if factor == 1:
            continue
        shape = list(coarse.shape)
        shape[axis] = n * factor
        fine = coarse.new_empty(shape)
        first, last = coarse.narrow(axis, 0, 1), coarse.narrow(axis, n - 1, 1)
        padded = torch.cat([first, first, coarse, last, last], dim=axis)
        for phase in range(factor):
            # Place of the voxel's centre relative to its block's, in blocks.
            t = (phase + 0.5) / factor - 0.5
            low = -2 if t < 0 else -1
            value = padded.narrow(axis, 2 + low, n) * _keys(abs(t - low))
            for tap in range(low + 1, low + 4):
                value += padded.narrow(axis, 2 + tap, n) * _keys(abs(t - tap))
            fine[(slice(None),) * axis + (slice(phase, None, factor),)] = value
        coarse = fine
    return coarse


def _keys(x: float) -> float:
    if x >= 2:
        return 0.0
    return 1.5 * x**3 - 2.5 * x**2 + 1 if x < 1 else -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2


def free_space_field(
    chi: torch.Tensor, voxel_size: Triple, b0_dir: Triple, *, start: Shape, shape: Shape, sigma: float = 0.0
) -> torch.Tensor:
    """Field in ppm, free of images, of a source at the voxels [``start``, ``start`` + ``shape``) of its grid.

    Args:
        chi: (x, y, z) ppm; zero beyond its grid.
        voxel_size: mm.
        b0_dir: unit vector in voxel axes.
        start: first voxel of the target box, which must lie within the grid.
        shape: of the target box.
        sigma: mm; where positive, voxels act as Gaussians of this width and not as samples of a band-limited source.
    """
    # Farthest that a target lies from a source, in voxels and in mm.
    farthest = [max(n - 1 - s, s + m - 1) for n, s, m in zip(chi.shape, start, shape, strict=True)]
    radius = sqrt(sum((f * v) ** 2 for f, v in zip(farthest, voxel_size, strict=True))) + max(voxel_size) + 4 * sigma
    px, py, pz = (
        int(scipy.fft.next_fast_len(ceil(f + radius / v) + 1, real=True))
        for f, v in zip(farthest, voxel_size, strict=True)
    )
    spectrum = rfftn(chi, (px, py, pz))
    _multiply(spectrum, _kernel((px, py, pz), voxel_size, b0_dir, radius, sigma))
    stop = (start[0] + shape[0], start[1] + shape[1], start[2] + shape[2])
    return irfftn(spectrum, (px, py, pz), stop)[start[0] :, start[1] :, start[2] :]


def periodic_field(chi: torch.Tensor, voxel_size: Triple, b0_dir: Triple, sigma: float = 0.0) -> torch.Tensor:
    """Field in ppm of ``chi`` (x, y, z) repeated without end; ``sigma`` as in :func:`free_space_field`."""
    nx, ny, nz = chi.shape
    spectrum = rfftn(chi, (nx, ny, nz))
    _multiply(spectrum, _kernel((nx, ny, nz), voxel_size, b0_dir, 0.0, sigma))
    return irfftn(spectrum, (nx, ny, nz), (nx, ny, nz))


def window_field(
    window: torch.Tensor,
    surroundings: torch.Tensor,
    start: Shape,
    *,
    factors: Shape,
    voxel_size: Triple,
    b0_dir: Triple = (0.0, 0.0, 1.0),
) -> torch.Tensor:
    """Field in ppm of a large object within a window, at the window's own resolution.

    Args:
        window: chi in the window, ppm, (x, y, z), a whole number of blocks along each axis.
        surroundings: block means of chi, ppm, on a coarse grid that holds the object and the window; what it says for
            the window's own blocks is not used.
        start: index of the window's first block in ``surroundings``.
        factors: voxels a block averages.
        voxel_size: of the window, mm.
        b0_dir: unit vector in voxel axes.

    Returns:
        (x, y, z) like ``window``; not valid within some 4 blocks of its rim, which the caller cuts off.

    B0 should lie along an axis: an oblique kernel jumps at Nyquist, so what chi has there acts through a tail of
    alternating sign that falls off with one over the distance and ends at the window's rim.
    """
    own = block_mean(window, factors)
    cx, cy, cz = own.shape
    coarse = surroundings.clone()
    coarse[start[0] : start[0] + cx, start[1] : start[1] + cy, start[2] : start[2] + cz] = own
    bx, by, bz = (v * f for v, f in zip(voxel_size, factors, strict=True))
    sigma = _SIGMA * max(bx, by, bz)
    missing = free_space_field(coarse, (bx, by, bz), b0_dir, start=start, shape=(cx, cy, cz), sigma=sigma)
    missing = missing - periodic_field(own, (bx, by, bz), b0_dir, sigma)
    field = periodic_field(window, voxel_size, b0_dir)
    field += upsample(missing, factors)
    return field


def _multiply(spectrum: torch.Tensor, kernel: torch.Tensor) -> None:
    # Through the real view: a complex tensor times a real one makes a complex copy of the latter first.
    torch.view_as_real(spectrum).mul_(kernel.to(spectrum.device)[..., None])


def _kernel(shape: Shape, voxel_size: Triple, b0_dir: Triple, radius: float, sigma: float) -> torch.Tensor:
    """D on the half spectrum, cut off beyond ``radius`` (mm; 0: never) and for Gaussian sources of ``sigma`` (mm)."""
    k: list[F64] = [np.fft.fftfreq(n, d=v).astype(np.float64) for n, v in zip(shape[:2], voxel_size[:2], strict=True)]
    k.append(np.fft.rfftfreq(shape[2], d=voxel_size[2]).astype(np.float64))
    # As in physics.dipole: at Nyquist the mixed terms of an oblique kernel take their mean, zero.
    odd = [ki.copy() for ki in k]
    for ki, n in zip(odd, shape, strict=True):
        if n % 2 == 0:
            ki[n // 2] = 0.0
    separable: list[F64] = [
        1 / np.sinc(ki * v) if sigma > 0 else np.ones_like(ki) for ki, v in zip(k, voxel_size, strict=True)
    ]
    per_length, radial = 0.0, np.ones(2)
    if radius > 0 or sigma > 0:
        per_length = 2 * np.pi * max(radius, 4 * sigma) * _PER_RADIAN
        longest = sqrt(sum(float(np.abs(ki).max()) ** 2 for ki in k))
        radial = _radial(np.arange(int(longest * per_length) + 3) / per_length, radius, sigma)
    kernel = np.empty((shape[0], shape[1], shape[2] // 2 + 1), np.float32)
    kx, ky, kz = k
    ox, oy, oz = odd
    sx, sy, sz = separable
    _fill(kernel, kx, ky, kz, ox, oy, oz, sx, sy, sz, np.array(b0_dir), radial, per_length)
    return torch.from_numpy(kernel)


def _radial(k: F64, radius: float, sigma: float) -> F64:
    factor: F64 = np.exp(-2 * (np.pi * sigma * k) ** 2)
    if radius > 0:
        x = 2 * np.pi * radius * k
        x[0] = 1.0
        factor *= 1 - 3 * (np.sin(x) - x * np.cos(x)) / x**3
        factor[0] = 0.0
    return factor


@compiled()
def _fill(  # noqa: PLR0917 - numba takes arrays, not objects
    kernel: NDArray[np.float32],
    kx: F64,
    ky: F64,
    kz: F64,
    ox: F64,
    oy: F64,
    oz: F64,
    sx: F64,
    sy: F64,
    sz: F64,
    b0_dir: F64,
    radial: F64,
    per_length: float,
) -> None:
    bx, by, bz = b0_dir
    nx, ny, nz = kernel.shape
    for i in range(nx):
        for j in range(ny):
            k2xy = kx[i] ** 2 + ky[j] ** 2
            b2xy = (bx * kx[i]) ** 2 + (by * ky[j]) ** 2 + 2.0 * bx * by * ox[i] * oy[j]
            mixed = 2.0 * bz * (bx * ox[i] + by * oy[j])
            sxy = sx[i] * sy[j]
            for k in range(nz):
                k2 = k2xy + kz[k] ** 2
                if k2 == 0.0:
                    kernel[i, j, k] = 0.0
                    continue
                value = 1.0 / 3.0 - (b2xy + (bz * kz[k]) ** 2 + mixed * oz[k]) / k2
                if per_length > 0.0:
                    position = np.sqrt(k2) * per_length
                    node = int(position)
                    value *= radial[node] + (position - node) * (radial[node + 1] - radial[node])
                    value *= sxy * sz[k]
                kernel[i, j, k] = value
