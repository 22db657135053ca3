"""The geometry of a volume: how many voxels, how large, and where B0 points, as one object that validates itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from qsmbench.core.errors import InputError

Triple: TypeAlias = tuple[float, float, float]
Shape: TypeAlias = tuple[int, int, int]

# Scanners and converters store single-precision affines; beyond this the axes are really not orthogonal.
_SHEAR_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Grid:
    """Shape, voxel size, B0 direction and position of a volume in NIfTI voxel order (x, y, z).

    Attributes:
        shape: number of voxels along x, y, z.
        voxel_size: edge lengths in mm.
        b0_dir: direction of the main field in voxel axes; normalised on construction.
        affine: 4x4 voxel-to-world matrix in mm (RAS+), as nested tuples; by default diagonal, so that grids compare
            by value and hash.

    Raises:
        InputError: a size that is not positive and finite, a zero B0 direction, an affine with shear or whose columns
            contradict the voxel size.

    >>> Grid((64, 64, 32), (1.0, 1.0, 2.0)).b0_dir
    (0.0, 0.0, 1.0)
    """

    shape: Shape
    voxel_size: Triple
    b0_dir: Triple = (0.0, 0.0, 1.0)
    affine: tuple[tuple[float, ...], ...] | None = None

    def __post_init__(self) -> None:
        shape, voxel_size, b0_dir = self.shape, self.voxel_size, self.b0_dir
        if len(shape) != 3 or any(not isfinite(n) or int(n) != n or n < 1 for n in shape):
            raise InputError(f"grid shape must be three positive integers, got {tuple(shape)}")
        if len(voxel_size) != 3 or not all(isfinite(v) and v > 0 for v in voxel_size):
            raise InputError(f"voxel size must be three positive lengths in mm, got {tuple(voxel_size)}")
        length = float(np.linalg.norm(b0_dir))
        if len(b0_dir) != 3 or not isfinite(length) or length < 1e-6:
            raise InputError(f"B0 direction must be a non-zero vector of three numbers, got {tuple(b0_dir)}")
        object.__setattr__(self, "shape", tuple(int(n) for n in shape))
        object.__setattr__(self, "voxel_size", tuple(float(v) for v in voxel_size))
        # Dividing a unit vector by a length of 1 - 1e-17 would change its bits; a grid must survive a round trip.
        scale = 1.0 if abs(length - 1.0) < 1e-12 else length
        object.__setattr__(self, "b0_dir", tuple(float(b) / scale for b in b0_dir))
        affine = np.diag([*self.voxel_size, 1.0]) if self.affine is None else np.asarray(self.affine, np.float64)
        _check_affine(affine, self.voxel_size)
        object.__setattr__(self, "affine", tuple(tuple(float(a) for a in row) for row in affine))

    @classmethod
    def from_affine(
        cls, shape: Sequence[int], affine: NDArray[np.float64], b0_dir: Sequence[float] | None = None
    ) -> Grid:
        """Build a grid from a NIfTI affine; B0 is the scanner's z axis unless ``b0_dir`` (voxel axes) says otherwise.

        With R the rotation part of the affine (world = R voxel), B0 in voxel axes is R^T (0, 0, 1).
        """
        matrix = np.asarray(affine, np.float64)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
            raise InputError(f"affine must be a finite 4x4 matrix, got shape {matrix.shape}")
        voxel_size = np.linalg.norm(matrix[:3, :3], axis=0)
        if (voxel_size < 1e-6).any():
            raise InputError("affine has a zero column; re-save the volume with a valid sform or qform")
        if b0_dir is None:
            # Rounded, so that the float32 noise in stored affines does not make an axial scan oblique by 1e-9.
            b0_dir = np.round(matrix[2, :3] / voxel_size, 7) + 0.0
        if len(shape) != 3:
            raise InputError(f"grid shape must be three positive integers, got {tuple(shape)}")
        nx, ny, nz = shape
        vx, vy, vz = voxel_size.tolist()
        bx, by, bz = (float(b) for b in b0_dir)
        return cls((nx, ny, nz), (vx, vy, vz), (bx, by, bz), tuple(map(tuple, matrix.tolist())))

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The affine as a (4, 4) array."""
        return np.array(self.affine, np.float64)

    @property
    def extent(self) -> Triple:
        """Edge lengths of the whole volume in mm."""
        x, y, z = (n * v for n, v in zip(self.shape, self.voxel_size, strict=True))
        return (x, y, z)

    def permuted(self, axes: Sequence[int]) -> Grid:
        """Return the grid of ``array.transpose(axes)``: the same place in the world, other voxel axes."""
        i, j, k = (range(3)[a] for a in axes)
        order = [i, j, k, 3]
        return Grid(
            (self.shape[i], self.shape[j], self.shape[k]),
            (self.voxel_size[i], self.voxel_size[j], self.voxel_size[k]),
            (self.b0_dir[i], self.b0_dir[j], self.b0_dir[k]),
            tuple(map(tuple, self.matrix[:, order].tolist())),
        )

    def refined(self, n: int) -> Grid:
        """Return the grid with every voxel cut into n along each axis; the volume keeps its place in the world.

        >>> grid = Grid((4, 4, 4), (1.0, 1.0, 2.0)).refined(2)
        >>> grid.shape, grid.voxel_size, grid.affine[0][3], grid.affine[2][3]
        ((8, 8, 8), (0.5, 0.5, 1.0), -0.25, -0.5)
        """
        matrix = self.matrix
        # The first fine centre lies (1 - 1/n) / 2 voxels before the first coarse one.
        matrix[:3, 3] -= matrix[:3, :3].sum(axis=1) * (1 - 1 / n) / 2
        matrix[:3, :3] /= n
        nx, ny, nz = self.shape
        vx, vy, vz = self.voxel_size
        return Grid((nx * n, ny * n, nz * n), (vx / n, vy / n, vz / n), self.b0_dir, tuple(map(tuple, matrix.tolist())))

    def check_shape(self, name: str, shape: Sequence[int]) -> None:
        """Raise InputError where an array named ``name`` does not have this grid's shape."""
        if tuple(shape) != self.shape:
            raise InputError(f"{name} has shape {tuple(shape)}, but the grid is {self.shape}; give volumes of one grid")


def _check_affine(affine: NDArray[np.float64], voxel_size: Triple) -> None:
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise InputError(f"affine must be a finite 4x4 matrix, got shape {affine.shape}")
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.allclose(lengths, voxel_size, rtol=1e-3):
        found = ", ".join(f"{v:.4g}" for v in lengths)
        wanted = ", ".join(f"{v:.4g}" for v in voxel_size)
        raise InputError(f"affine has voxels of ({found}) mm, but voxel size says ({wanted}) mm")
    rotation = affine[:3, :3] / lengths
    if np.abs(rotation.T @ rotation - np.eye(3)).max() > _SHEAR_TOLERANCE:
        raise InputError("affine has shear (its axes are not orthogonal); resample the volume to a plain grid first")
