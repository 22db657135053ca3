"""To the grid that a network was trained on and back: B0 along z, and, for some networks, one voxel size.

Places are counted in mm along the volume's own axes. R is the smallest rotation that brings B0 (or its opposite: the
dipole does not know the sign) onto z; the standard grid is the box that holds the turned volume, with the voxel sizes
of the turned axes or given ones. Values are taken by cubic splines (scipy.ndimage), zero outside; where the new
voxels are larger, a Gaussian of (factor - 1) / 2 voxels goes before, as in skimage.transform.resize.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from qsmbench.core.grid import Grid, Shape, Triple


def rotation_to_z(b0_dir: Triple) -> NDArray[np.float64]:
    """Return the smallest rotation (3, 3) that brings ``b0_dir`` or its opposite onto the z axis.

    >>> (rotation_to_z((0.0, 1.0, 0.0)) @ [0, 1, 0]).round(9).tolist()
    [0.0, 0.0, 1.0]
    """
    b = np.array(b0_dir, np.float64)
    b *= 1.0 if b[2] >= 0 else -1.0
    axis = np.array([b[1], -b[0], 0.0])
    cross = np.array([[0, 0, axis[1]], [0, 0, -axis[0]], [-axis[1], axis[0], 0]])
    rotation: NDArray[np.float64] = np.eye(3) + cross + cross @ cross / (1.0 + b[2])
    return rotation


def tilt(b0_dir: Triple) -> float:
    """Angle between B0's line and the z axis in degrees."""
    return float(np.degrees(np.arctan2(np.hypot(b0_dir[0], b0_dir[1]), abs(b0_dir[2]))))


@dataclass(frozen=True, eq=False)
class StandardGrid:
    """A grid with B0 along z, and its place in another.

    Attributes:
        original: the grid of the scan.
        shape: of the standard grid.
        voxel_size: of the standard grid, mm.
        rotation: (3, 3), from the original's axes to the standard ones.
    """

    original: Grid
    shape: Shape
    voxel_size: Triple
    rotation: NDArray[np.float64]

    @classmethod
    def around(cls, grid: Grid, *, rotate: bool, voxel_size: Triple | None = None) -> StandardGrid:
        """Return the standard grid of a scan's grid.

        Args:
            grid: of the scan.
            rotate: bring B0 onto z; otherwise axes stay.
            voxel_size: mm; by default each turned axis has that of the axis it is nearest to.
        """
        rotation = rotation_to_z(grid.b0_dir) if rotate else np.eye(3)
        if voxel_size is None:
            # Two axes of a strongly tilted volume may be nearest to the same one; the smaller voxels then win.
            nearest = np.abs(rotation).argmax(axis=1)
            x, y, z = (grid.voxel_size[axis] for axis in nearest)
            voxel_size = (x, y, z)
        extent = np.abs(rotation) @ np.array(grid.extent)
        # A volume that needs no rotation keeps its number of voxels in spite of rounding.
        nx, ny, nz = (int(np.ceil(e / v - 1e-6)) for e, v in zip(extent, voxel_size, strict=True))
        return cls(grid, (nx, ny, nz), voxel_size, rotation)

    def to_standard(self, volume: torch.Tensor) -> torch.Tensor:
        """Resample a volume (x, y, z) of the original grid."""
        sizes, old = np.array(self.voxel_size), np.array(self.original.voxel_size)
        matrix = np.diag(1 / old) @ self.rotation.T @ np.diag(sizes)
        return _resample(volume, matrix, self.original.shape, self.shape)

    def to_original(self, volume: torch.Tensor) -> torch.Tensor:
        """Resample a volume (x, y, z) of the standard grid."""
        sizes, old = np.array(self.voxel_size), np.array(self.original.voxel_size)
        matrix = np.diag(1 / sizes) @ self.rotation @ np.diag(old)
        return _resample(volume, matrix, self.shape, self.original.shape)


def _resample(volume: torch.Tensor, matrix: NDArray[np.float64], shape: Shape, new_shape: Shape) -> torch.Tensor:
    """Sample at ``matrix`` (place - new centre) + old centre, in voxels."""
    centre, new_centre = (np.array(shape) - 1) / 2, (np.array(new_shape) - 1) / 2
    values = volume.cpu().numpy().astype(np.float64)
    # How many old voxels a new one spans along each old axis.
    factor = np.sqrt((matrix**2).sum(axis=1))
    sigma = np.maximum(0, (factor - 1) / 2)
    if (sigma > 0.01).any():
        values = ndimage.gaussian_filter(values, sigma, mode="constant")
    out = ndimage.affine_transform(
        values, matrix, centre - matrix @ new_centre, output_shape=new_shape, order=3, mode="constant"
    )
    return torch.from_numpy(out.astype(np.float32)).to(volume.device)
