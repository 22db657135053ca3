"""The warp of `qsmbench.simulation.warp` in single precision by grid_sample: fast on any device, not the same bits.

Places p of the sample (mm from the head's centre) show the place M^-1 (p + u(p)) of the head at rest; u is a cubic
B-spline on a lattice (Rueckert 1999, doi 10.1109/42.796284), made on the grid of places by three matrix products.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch.nn import functional

from qsmbench.core.grid import Shape, Triple

# Samples gathered at a time.
_BATCH = 1 << 22
# Widest distance of the samples within a voxel in mm; heads have voxels of about 1 mm.
_PITCH = 1.1


@dataclass(frozen=True, eq=False)
class LiveWarp:
    """A pose and an elastic displacement.

    Attributes:
        matrix: (3, 3), from the head at rest to the sample, mm.
        coefficients: (n, n, n, 3) displacements of the lattice's nodes in mm, on the device.
        spacing: of the nodes in mm; the middle node lies at the head's centre.
    """

    matrix: NDArray[np.float64]
    coefficients: torch.Tensor
    spacing: float

    @classmethod
    def pose(cls, rotation: Triple, size: Triple, coefficients: torch.Tensor, spacing: float) -> LiveWarp:
        """From angles in degrees about fixed x, y, z and a factor for each of the head's axes."""
        turned = Rotation.from_euler("xyz", rotation, degrees=True).as_matrix()
        return cls(turned * np.array(size), coefficients, spacing)


def centres(shape: Shape, voxel_size: Triple, origin: Triple, n_sub: Shape = (1, 1, 1)) -> list[NDArray[np.float64]]:
    """Places in mm along each axis of a window whose first voxel's lower corner is ``origin``."""
    return [o + (np.arange(n * s) + 0.5) * v / s for n, v, o, s in zip(shape, voxel_size, origin, n_sub, strict=True)]


def render_live(  # noqa: PLR0917 - as `warp.render`, its window in three
    head: torch.Tensor, head_voxel_size: Triple, warp: LiveWarp, shape: Shape, voxel_size: Triple, origin: Triple
) -> torch.Tensor:
    """Means over the voxels of a window of each channel of a ``head`` (channels, x, y, z); zero beyond the head."""
    sx, sy, sz = (max(1, ceil(v / max(_PITCH, min(head_voxel_size)) - 0.25)) for v in voxel_size)
    axes = centres(shape, voxel_size, origin, (sx, sy, sz))
    device = head.device
    to_index = np.linalg.inv(warp.matrix) / np.array(head_voxel_size)[:, None]
    middle = (np.array(head.shape[1:]) - 1) / 2
    # grid_sample counts from -1 to 1 between the outer voxels' centres, and its last axis first.
    unit = 2 / np.maximum(1, np.array(head.shape[1:]) - 1)
    straight = [
        torch.from_numpy(np.outer(axis, to_index[:, i] * unit)[:, ::-1].astype(np.float32)).to(device)
        for i, axis in enumerate(axes)
    ]
    straight[0] = straight[0] + torch.from_numpy(((middle * unit) - 1)[::-1].astype(np.float32)).to(device)
    along = torch.from_numpy((to_index * unit[:, None])[::-1].astype(np.float32)).to(device)
    shifts = torch.einsum("ij,abcj->abci", along, warp.coefficients)
    n = shifts.shape[0]
    wx, wy, wz = (torch.from_numpy(_basis(axis, warp.spacing, n)).to(device) for axis in axes)
    plane = torch.einsum("kc,abci->abki", wz, shifts)
    plane = torch.einsum("jb,abki->ajki", wy, plane)
    out = torch.empty((len(head), *shape), device=device)
    rows = max(1, _BATCH // (sx * len(axes[1]) * len(axes[2])))
    for start in range(0, shape[0], rows):
        stop = min(start + rows, shape[0])
        cut = slice(start * sx, stop * sx)
        places = torch.einsum("ia,ajkc->ijkc", wx[cut], plane)
        places += straight[1][None, :, None] + straight[2][None, None]
        places += straight[0][cut, None, None]
        values = functional.grid_sample(head[None], places[None], padding_mode="zeros", align_corners=True)[0]
        if sx * sy * sz > 1:
            values = functional.avg_pool3d(values[None], (sx, sy, sz))[0]
        out[:, start:stop] = values
    return out


def _basis(axis: NDArray[np.float64], spacing: float, n: int) -> NDArray[np.float32]:
    """Weights (places, nodes) of the cubic B-splines; places off the lattice take its rim's displacement."""
    g = np.clip(axis / spacing + (n - 1) / 2, 1, n - 3 + 1e-6)
    cell = np.minimum(np.floor(g).astype(int), n - 3)
    t = g - cell
    s = 1 - t
    four = (s**3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (3 * s**3 - 6 * s**2 + 4) / 6, t**3 / 6)
    weights = np.zeros((len(axis), n), np.float32)
    for tap, weight in enumerate(four):
        weights[np.arange(len(axis)), cell - 1 + tap] = weight
    return weights
