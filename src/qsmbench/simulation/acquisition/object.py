"""The head on the fine grid of an acquisition: resampled along the imaging axes, veins and lesions drawn in.

The image is a box of `matrix` voxels; the object's grid covers the same axes, reaches far enough to hold the whole head
(`shape` acquired voxels, the image in their middle) and divides every voxel into `factors` parts. Veins and lesions are
drawn on it as bodies with partial volume, so that a vein of 0.5 mm stays one.

World: the scanner's axes, right-anterior-superior, B0 along z. The head's place in it is pose x size x MNI mm; the
image's is a tilt about x around the middle of the brain.
"""

from dataclasses import dataclass
from math import ceil
from typing import TypeAlias

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from qsmbench.core.compiled import compiled
from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid, Shape, Triple
from qsmbench.simulation.acquisition.cases import ScannedCase
from qsmbench.simulation.acquisition.head import WholeHead, excited_signal
from qsmbench.simulation.acquisition.protocol import Protocol
from qsmbench.simulation.acquisition.tissues import AIR_CHI, Lesion
from qsmbench.simulation.phantom.tubes import Tube, cross_section
from qsmbench.simulation.phantom.values import TISSUES, Tissue

Float: TypeAlias = NDArray[np.float32]
F64: TypeAlias = NDArray[np.float64]

# Middle of the brain's mask in MNI mm, and how much lower the image's middle lies where it is shorter than the brain.
BRAIN_CENTRE = np.array([0.0, -17.0, 5.0])
# Fine voxels in an acquired one, in plane; along the slices as many as keep the fine voxel below a length in mm.
IN_PLANE, FINE_SLICE = 1.5, 0.75
# Points that fill a vein stand for at most this share of a fine voxel's cross-section.
_VEIN_AREA = 0.15
# Subdivision of a fine voxel along each axis for the edge of a lesion.
_EDGE_SAMPLES = 3


@dataclass(frozen=True, eq=False)
class HeadObject:
    """A head as the scanner finds it.

    Attributes:
        chi: (x, y, z) ppm against air: 0 around the head.
        signal: (x, y, z) after excitation.
        r2star: (x, y, z) 1/s.
        fat: (x, y, z) share of fat.
        brain: (x, y, z) share of brain.
        grid: of the fine voxels; affine to the scanner's world.
        shape: acquired voxels that the object covers.
        factors: fine voxels in an acquired one.
        start: first voxel of the image among the acquired ones.
        matrix: voxels of the image.
    """

    chi: Float
    signal: Float
    r2star: Float
    fat: Float
    brain: Float
    grid: Grid
    shape: Shape
    factors: tuple[float, float, float]
    start: Shape
    matrix: Shape


def place(protocol: Protocol, case: ScannedCase) -> Grid:
    """The grid of the image: oblique where the case says so, B0 along the scanner's z axis."""
    turned = _rotation((case.slice_tilt, 0.0, 0.0))
    affine = np.eye(4)
    affine[:3, :3] = turned * np.array(protocol.voxel_size)
    middle = (np.array(protocol.matrix) - 1) / 2
    affine[:3, 3] = -affine[:3, :3] @ middle
    return Grid.from_affine(protocol.matrix, affine)


def head_to_world(case: ScannedCase) -> F64:
    """MNI mm to the scanner's world: the middle of the brain in its centre, sized and turned."""
    matrix = np.eye(4)
    matrix[:3, :3] = _rotation(case.head_pose) * np.array(case.size)
    matrix[:3, 3] = -matrix[:3, :3] @ BRAIN_CENTRE
    return matrix


def make_object(head: WholeHead, protocol: Protocol, case: ScannedCase, fineness: float = 1.0) -> HeadObject:
    """Put a head into the scanner.

    Args:
        head: at rest.
        protocol: voxel size and matrix.
        case: size, pose, tilt, lesions.
        fineness: factor on the number of fine voxels along each axis; less is coarser and faster.

    Raises:
        InputError: a fineness that leaves fewer fine voxels than acquired ones.
    """
    image = place(protocol, case)
    to_world = head_to_world(case) @ head.to_mm
    shape, fine_shape, start = _sizes(image, to_world, head.chi.shape, fineness)
    factors = tuple(f / s for f, s in zip(fine_shape, shape, strict=True))
    voxel = np.array(image.voxel_size) / np.array(factors)
    affine = image.matrix
    directions = affine[:3, :3] / np.array(image.voxel_size)
    first = affine[:3, 3] - affine[:3, :3] @ (np.array(start) + 0.5) + directions @ (voxel / 2)
    affine[:3, :3], affine[:3, 3] = directions * voxel, first
    grid = Grid.from_affine(fine_shape, affine)

    to_head = np.linalg.inv(to_world) @ affine
    stacked = np.stack([head.chi - np.float32(AIR_CHI), head.signal, head.r2star, head.fat, head.brain], axis=-1)
    maps = _resample(np.ascontiguousarray(stacked, np.float32), to_head[:3, :3], to_head[:3, 3], fine_shape)
    chi, signal, r2star, fat, brain = maps
    to_mm = np.linalg.inv(head_to_world(case)) @ affine
    blood = TISSUES["vein"]
    flat, share = _vein_shares(
        head.tubes, np.asarray(np.linalg.inv(to_mm)), fine_shape, float(np.prod(voxel) / np.prod(case.size))
    )
    kept = brain.ravel()[flat] > 0.5
    _mix((chi, signal, r2star), flat[kept], share[kept], blood, protocol)
    for lesion in case.lesions:
        flat, share = _ellipsoid_shares(lesion, to_mm, case.size, fine_shape)
        share *= brain.ravel()[flat]
        _mix((chi, signal, r2star), flat, share, lesion.tissue, protocol)
    fx, fy, fz = factors
    return HeadObject(chi, signal, r2star, fat, brain, grid, shape, (fx, fy, fz), start, image.shape)


def _sizes(image: Grid, to_world: F64, head_shape: tuple[int, ...], fineness: float) -> tuple[Shape, Shape, Shape]:
    """Acquired voxels that hold head and image, fine voxels, and the image's first voxel among the acquired ones."""
    corners = np.array(np.meshgrid(*[[0, n - 1] for n in head_shape], indexing="ij")).reshape(3, -1)
    places = to_world[:3, :3] @ corners + to_world[:3, 3:]
    inverse = np.linalg.inv(image.matrix)
    voxels = inverse[:3, :3] @ places + inverse[:3, 3:]
    shape, fine, start = [], [], []
    for axis in range(3):
        before = max(0, ceil(-voxels[axis].min())) + 2
        after = max(0, ceil(voxels[axis].max()) - image.shape[axis] + 1) + 2
        n = int(scipy.fft.next_fast_len(before + image.shape[axis] + after, real=True))
        factor = (IN_PLANE if axis < 2 else max(IN_PLANE, image.voxel_size[2] / FINE_SLICE)) * fineness
        if factor < 1:
            raise InputError(f"fineness {fineness:g} leaves less than one fine voxel in an acquired one; give more")
        shape.append(n)
        # A whole number of blocks for the field's coarse grid, and a size that the FFT is quick with.
        fine.append(4 * int(scipy.fft.next_fast_len(ceil(n * factor / 4), real=True)))
        start.append(before)
    return (shape[0], shape[1], shape[2]), (fine[0], fine[1], fine[2]), (start[0], start[1], start[2])


def _rotation(degrees: Triple) -> F64:
    """About x, then y, then z, right-handed."""
    a, b, c = np.deg2rad(degrees)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    matrix: F64 = about_z @ about_y @ about_x
    return matrix


@compiled()
def _resample(  # pragma: no cover - compiled
    maps: Float, matrix: F64, offset: F64, shape: tuple[int, int, int]
) -> tuple[Float, Float, Float, Float, Float]:
    """Trilinear samples of five maps (x, y, z, 5) at ``matrix`` voxel + ``offset``; zero beyond their box."""
    nx, ny, nz, _ = maps.shape
    out = np.zeros((5, shape[0], shape[1], shape[2]), np.float32)
    for i in range(shape[0]):
        for j in range(shape[1]):
            for k in range(shape[2]):
                x = matrix[0, 0] * i + matrix[0, 1] * j + matrix[0, 2] * k + offset[0]
                y = matrix[1, 0] * i + matrix[1, 1] * j + matrix[1, 2] * k + offset[1]
                z = matrix[2, 0] * i + matrix[2, 1] * j + matrix[2, 2] * k + offset[2]
                if x < 0 or y < 0 or z < 0 or x >= nx - 1 or y >= ny - 1 or z >= nz - 1:
                    continue
                a, b, c = int(x), int(y), int(z)
                u, v, w = np.float32(x - a), np.float32(y - b), np.float32(z - c)
                one = np.float32(1.0)
                for m in range(5):
                    low = (one - w) * maps[a, b, c, m] + w * maps[a, b, c + 1, m]
                    right = (one - w) * maps[a, b + 1, c, m] + w * maps[a, b + 1, c + 1, m]
                    near = (one - v) * low + v * right
                    low = (one - w) * maps[a + 1, b, c, m] + w * maps[a + 1, b, c + 1, m]
                    right = (one - w) * maps[a + 1, b + 1, c, m] + w * maps[a + 1, b + 1, c + 1, m]
                    out[m, i, j, k] = (one - u) * near + u * ((one - v) * low + v * right)
    return out[0], out[1], out[2], out[3], out[4]


def _vein_shares(
    tubes: tuple[Tube, ...], from_mm: F64, shape: Shape, voxel_volume: float
) -> tuple[NDArray[np.int64], Float]:
    """Flat indices of the voxels that veins touch, and the share of each that they fill.

    ``voxel_volume`` is in MNI mm^3, like the tubes.
    """
    area = _VEIN_AREA * voxel_volume ** (2 / 3)
    indices: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    volumes: list[F64] = [np.empty(0)]
    for tube in tubes:
        points, share = cross_section(tube, area)
        # Points lie every 0.25 mm along a tube; two between them where voxels are finer than that.
        where = np.rint(points.reshape(-1, 3) @ from_mm[:3, :3].T + from_mm[:3, 3]).astype(np.int64)
        inside = np.all((where >= 0) & (where < shape), axis=-1)
        flat: NDArray[np.int64] = np.ravel_multi_index(tuple(where[inside].T), shape).astype(np.int64)
        found, place = np.unique(flat, return_inverse=True)
        indices.append(np.asarray(found, np.int64))
        volumes.append(np.asarray(np.bincount(place, share.ravel()[inside]), np.float64))
    found, place = np.unique(np.concatenate(indices), return_inverse=True)
    total = np.bincount(place, np.concatenate(volumes), found.size) / voxel_volume
    return found, np.minimum(total, 1.0).astype(np.float32)


def _ellipsoid_shares(lesion: Lesion, to_mm: F64, size: Triple, shape: Shape) -> tuple[NDArray[np.int64], Float]:
    """As `_vein_shares`, for one lesion; its semi-axes are mm of the head as it is, its centre is in MNI mm."""
    from_mm = np.linalg.inv(to_mm)
    reach = np.array(lesion.semi_axes) / np.array(size)
    middle = from_mm[:3, :3] @ np.array(lesion.centre) + from_mm[:3, 3]
    half = np.linalg.norm(from_mm[:3, :3] * reach, axis=1) + 1.5
    low = np.clip(np.floor(middle - half).astype(int), 0, np.array(shape) - 1)
    high = np.clip(np.ceil(middle + half).astype(int), 0, np.array(shape) - 1)
    voxels = np.stack(np.meshgrid(*[np.arange(a, b + 1) for a, b in zip(low, high, strict=True)], indexing="ij"), -1)
    voxels = voxels.reshape(-1, 3)
    count = np.zeros(len(voxels))
    steps = (np.arange(_EDGE_SAMPLES) + 0.5) / _EDGE_SAMPLES - 0.5
    for offset in np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3):
        at = (voxels + offset) @ to_mm[:3, :3].T + to_mm[:3, 3]
        count += (((at - np.array(lesion.centre)) / reach) ** 2).sum(axis=1) < 1
    share = (count / _EDGE_SAMPLES**3).astype(np.float32)
    kept = share > 0
    return np.ravel_multi_index(tuple(voxels[kept].T), shape), share[kept]


def _mix(
    maps: tuple[Float, Float, Float], flat: NDArray[np.int64], share: Float, tissue: Tissue, protocol: Protocol
) -> None:
    """Replace ``share`` of each voxel by a tissue, in place."""
    chi, signal, r2star = (m.reshape(-1) for m in maps)
    bright = np.float32(excited_signal(tissue.proton_density, tissue.t1, protocol))
    rest = (1 - share) * signal[flat]
    total = rest + share * bright
    r2star[flat] = (rest * r2star[flat] + share * bright * np.float32(tissue.r2star)) / np.maximum(total, 1e-6)
    chi[flat] = (1 - share) * chi[flat] + share * np.float32(tissue.chi - AIR_CHI)
    signal[flat] = total
