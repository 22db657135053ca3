"""One simulated acquisition: complex echoes of a whole head, and the truth behind them.

    signal(r, TE) = slab(z) c(r) S(r) exp(-TE R2*(r)) exp(i [2 pi gamma B0 TE (b(r) + residue) + phi(r)])

b: field of the whole head against air, shimmed; c and phi: a coil's smooth sensitivity and phase. Evaluated on the fine
grid, cut in k-space, complex Gaussian noise added. Fat carries its chemical shift besides.

Field: dipole convolution of the whole head on the fine grid (`physics.two_grid`: periodic, with what is missing from a
free-space field of blocks). Shim: the solid harmonics of order 0 to 2 that fit the field in the brain best (least
squares), as a scanner's second-order shim sets them; the residue is what such a shim leaves of its own, drawn for each
scan. Truth: chi and local field of the brain alone, averaged over each voxel; the total field likewise, weighted by the
signal.
"""

from dataclasses import dataclass
from math import pi
from typing import Any, TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from qsmbench.core.compiled import compiled
from qsmbench.core.grid import Grid
from qsmbench.core.units import GAMMA_MHZ_PER_T
from qsmbench.physics.two_grid import window_field
from qsmbench.simulation.acquisition.cases import ScannedCase
from qsmbench.simulation.acquisition.head import WholeHead
from qsmbench.simulation.acquisition.kspace import crop_plane, crop_slices, voxel_means
from qsmbench.simulation.acquisition.object import HeadObject, make_object, place
from qsmbench.simulation.acquisition.protocol import Protocol
from qsmbench.simulation.acquisition.tissues import AIR_CHI, FAT_SHIFT

Float: TypeAlias = NDArray[np.float32]
Complex: TypeAlias = NDArray[np.complex64]
F64: TypeAlias = NDArray[np.float64]
T = TypeVar("T", bound=np.generic)

# Standard deviation of the field that each harmonic of the shim's error makes in the brain, ppm: some Hz at 3 T (ours).
SHIM_ERROR = 0.03
# Highest coil sensitivity in the brain over the lowest; phase across the head, rad (ours: a combined head array's).
COIL_SHADING, COIL_PHASE = 1.6, 2.0
# Slices beyond the image on each side over which the slab's excitation falls off.
SLAB_EDGE = 4


@dataclass(frozen=True, eq=False)
class SimulatedScan:
    """What the scanner gives, and what nobody but the simulation knows.

    Attributes:
        echoes: a complex image (x, y, z) each, in units of the proton density of water.
        noise_sd: standard deviation of the noise in the real and in the imaginary part; 0 without noise.
        grid: of the images.
        chi: (x, y, z) ppm against water, in the brain.
        local_field: (x, y, z) ppm, of the brain's chi.
        total_field: (x, y, z) ppm, after the shim, in the brain.
        mask: (x, y, z) bool, the brain.
    """

    echoes: tuple[Complex, ...]
    noise_sd: float
    grid: Grid
    chi: Float
    local_field: Float
    total_field: Float
    mask: NDArray[np.bool_]


def simulate(
    head: WholeHead,
    protocol: Protocol,
    case: ScannedCase,
    rng: np.random.Generator,
    *,
    snr: float | None = None,
    fineness: float = 1.0,
    partial_volume: bool = True,
) -> SimulatedScan:
    """Scan a head.

    Args:
        head: at rest, with the protocol's contrast.
        protocol: the sequence.
        case: pose, tilt, lesions.
        rng: draws the shim's error, the coil and the noise, in this order.
        snr: mean magnitude of the brain at the first echo over the noise's standard deviation; by default the
            protocol's, 0 for none.
        fineness: of the object, see `make_object`.
        partial_volume: False gives each voxel the signal of one point, of its mean signal, R2* and field, in place of
            all that its finite size and the finite k-space make of it. Its phase then is the truth's exactly.
    """
    thing = make_object(head, protocol, case, fineness)
    brain_chi = thing.brain * (thing.chi + np.float32(AIR_CHI))
    local = whole_field(brain_chi, thing.grid)
    mask = _image(thing.brain, thing) > 0.5
    truth = {"chi": _image(brain_chi, thing), "local_field": _image(local, thing)}
    del brain_chi, local
    field = whole_field(thing.chi, thing.grid)
    shim(field, thing, rng)
    # What the phase of a voxel grows by at first: the mean over its signal. A mean over all of the voxel would bring in
    # the field inside air and bone, which no signal tells of.
    bright = _image(thing.signal, thing)
    weighted = _image(np.asarray(field * thing.signal, np.float32), thing)
    truth["total_field"] = np.asarray(weighted / np.maximum(bright, np.float32(1e-4)), np.float32)
    # Fat's shift is no field; it is added where only the signal sees it.
    field += np.float32(FAT_SHIFT) * thing.fat
    coil = _coil(rng)
    if partial_volume:
        echoes = [_echo(thing, field, protocol.b0, time, coil) for time in protocol.echo_times]
    else:
        decay = _image(np.asarray(thing.signal * thing.r2star, np.float32), thing)
        decay = np.asarray(decay / np.maximum(bright, np.float32(1e-4)), np.float32)
        image = place(protocol, case)
        points = (bright, decay, truth["total_field"])
        echoes = [_point_echo(points, image, protocol.b0, time, coil) for time in protocol.echo_times]
    wanted = protocol.snr if snr is None else snr
    noise_sd = float(np.abs(echoes[0][mask]).mean()) / wanted if wanted > 0 else 0.0
    if noise_sd > 0:
        for echo in echoes:
            echo.real += np.float32(noise_sd) * rng.standard_normal(echo.shape, np.float32)
            echo.imag += np.float32(noise_sd) * rng.standard_normal(echo.shape, np.float32)
    kept = {name: np.where(mask, volume, np.float32(0)) for name, volume in truth.items()}
    return SimulatedScan(tuple(echoes), noise_sd, place(protocol, case), mask=mask, **kept)


def whole_field(chi: Float, grid: Grid) -> Float:
    """Field in ppm of an object that the fine grid holds altogether, with air around it."""
    # Blocks of about 2.5 mm; the object's sizes are multiples of four.
    factors = tuple(1 if v > 1.8 else 2 if v > 0.9 else 4 for v in grid.voxel_size)
    coarse = torch.zeros([n // f for n, f in zip(grid.shape, factors, strict=True)])
    fx, fy, fz = factors
    field = window_field(
        torch.from_numpy(chi),
        coarse,
        (0, 0, 0),
        factors=(fx, fy, fz),
        voxel_size=grid.voxel_size,
        b0_dir=grid.b0_dir,
    )
    result: Float = field.numpy()
    return result


def shim(field: Float, thing: HeadObject, rng: np.random.Generator) -> None:
    """Take from ``field``, in place, the harmonics that fit it best in the brain; add the shim's own error."""
    coarse = field[::4, ::4, ::2]
    inside = np.argwhere(thing.brain[::4, ::4, ::2] > 0.5)
    places = _world(inside * [4, 4, 2], thing.grid)
    terms = _harmonics(*places.T)
    fitted, *_ = np.linalg.lstsq(terms, coarse[tuple(inside.T)].astype(np.float64), rcond=None)
    spread = np.maximum(terms.std(axis=0), 1e-9)
    error = SHIM_ERROR * rng.standard_normal(len(fitted)) / spread
    # The constant is the scanner's frequency, which it finds from the same brain.
    error[0] = SHIM_ERROR * rng.standard_normal()
    weights = error - fitted
    x, y = np.arange(field.shape[0]), np.arange(field.shape[1])
    for k in range(field.shape[2]):
        plane = _world(np.stack([*np.meshgrid(x, y, indexing="ij"), np.full((x.size, y.size), k)], -1), thing.grid)
        terms = _harmonics(*np.moveaxis(plane, -1, 0))
        field[:, :, k] += (terms @ weights).astype(np.float32)


def _world(voxels: NDArray[Any], grid: Grid) -> F64:
    affine = grid.matrix
    places: F64 = voxels @ affine[:3, :3].T + affine[:3, 3]
    return places


def _harmonics(x: F64, y: F64, z: F64) -> F64:
    """Solid harmonics of order 0, 1 and 2 at places in mm, in units of 100 mm: (..., 9)."""
    x, y, z = x / 100, y / 100, z / 100
    terms = [np.ones_like(x), x, y, z, x * y, y * z, x * z, x**2 - y**2, 2 * z**2 - x**2 - y**2]
    return np.stack(terms, axis=-1)


def _coil(rng: np.random.Generator) -> tuple[F64, F64]:
    """Weights of the harmonics: of the log of the sensitivity, and of the phase (rad)."""
    shading = np.zeros(9)
    # Brighter towards the coil: a bowl, with a little tilt.
    shading[1:4] = 0.1 * rng.standard_normal(3)
    bowl = np.log(COIL_SHADING)
    phase = COIL_PHASE * rng.standard_normal(9) * np.array([1, 0.5, 0.5, 0.5, 0.3, 0.3, 0.3, 0.3, 0.15])
    return np.append(shading, bowl), phase


def _echo(thing: HeadObject, field: Float, b0: float, time: float, coil: tuple[F64, F64]) -> Complex:
    """One echo's image."""
    nx, ny, nz = thing.grid.shape
    x, y = np.meshgrid(np.arange(nx), np.arange(ny), indexing="ij")
    per_ppm = 2 * pi * GAMMA_MHZ_PER_T * b0 * time
    stack = np.zeros((thing.shape[0], thing.shape[1], nz), np.complex64)
    profile = slab_profile(thing)
    for k in np.flatnonzero(profile > 0):
        gain, offset = _coil_at(np.stack([x, y, np.full_like(x, k)], -1), thing.grid, coil)
        gain *= np.float32(profile[k])
        plane = _signal(thing.signal[:, :, k], thing.r2star[:, :, k], field[:, :, k], gain, offset, time, per_ppm)
        stack[:, :, k] = crop_plane(plane, (thing.shape[0], thing.shape[1]))
    return _cut(crop_slices(stack, thing.shape[2]), thing)


def _point_echo(
    points: tuple[Float, Float, Float], grid: Grid, b0: float, time: float, coil: tuple[F64, F64]
) -> Complex:
    """One echo's image of voxels that hold one signal, R2* and field each."""
    signal, r2star, field = points
    per_ppm = 2 * pi * GAMMA_MHZ_PER_T * b0 * time
    image = np.empty(grid.shape, np.complex64)
    x, y = np.meshgrid(np.arange(grid.shape[0]), np.arange(grid.shape[1]), indexing="ij")
    for k in range(grid.shape[2]):
        gain, offset = _coil_at(np.stack([x, y, np.full_like(x, k)], -1), grid, coil)
        image[:, :, k] = _signal(signal[:, :, k], r2star[:, :, k], field[:, :, k], gain, offset, time, per_ppm)
    return image


def _coil_at(voxels: NDArray[Any], grid: Grid, coil: tuple[F64, F64]) -> tuple[Float, Float]:
    """The coil's sensitivity and phase (rad) at voxels (..., 3) of a grid."""
    shading, phase = coil
    places = _world(voxels, grid)
    terms = _harmonics(*np.moveaxis(places, -1, 0))
    bowl = (places**2).sum(axis=-1) / 100**2
    return np.exp(terms @ shading[:9] + shading[9] * bowl).astype(np.float32), (terms @ phase).astype(np.float32)


def slab_profile(thing: HeadObject) -> F64:
    """Excitation along the slices at every fine plane: one in the image, a cosine edge over SLAB_EDGE slices."""
    slices = (np.arange(thing.grid.shape[2]) + 0.5) / thing.factors[2] - thing.start[2]
    outside = np.maximum(np.maximum(-slices, slices - thing.matrix[2]), 0)
    profile: F64 = 0.5 * (1 + np.cos(pi * np.minimum(outside / SLAB_EDGE, 1)))
    return profile


@compiled()
def _signal(  # noqa: PLR0917 - numba takes arrays, not objects
    signal: Float, r2star: Float, field: Float, gain: Float, offset: Float, time: float, per_ppm: float
) -> Complex:
    out = np.zeros(signal.shape, np.complex64)
    for i in range(signal.shape[0]):
        for j in range(signal.shape[1]):
            if signal[i, j] > 0.0:
                size = gain[i, j] * signal[i, j] * np.exp(-time * r2star[i, j])
                angle = per_ppm * field[i, j] + offset[i, j]
                out[i, j] = size * complex(np.cos(angle), np.sin(angle))
    return out


def _image(volume: Float, thing: HeadObject) -> Float:
    """Means of a map over the image's voxels."""
    return _cut(voxel_means(volume, thing.shape), thing)


def _cut(volume: NDArray[T], thing: HeadObject) -> NDArray[T]:
    (a, b, c), (nx, ny, nz) = thing.start, thing.matrix
    return np.ascontiguousarray(volume[a : a + nx, b : b + ny, c : c + nz])
