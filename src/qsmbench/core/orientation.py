"""The order in which a file stores its voxels, undone: the same scan in any of the 48 orders becomes the same arrays.

A volume's axes may be stored in six sequences and each in two senses. Whatever is computed from the numbers alone
(slices, which of two equal voxels comes first, where a window starts) would follow that order and not the head. So
work is done in one order, the one whose axes lie nearest to the world's (right, anterior, superior), and put back
afterwards. Nothing is interpolated: axes are exchanged and turned round, and B0 in voxel axes goes with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TypeVar

import numpy as np
import torch

from qsmbench.core.grid import Grid, Triple

Volume = TypeVar("Volume", "np.ndarray", "torch.Tensor")


@dataclass(frozen=True)
class Orientation:
    """How stored axes become those nearest to the world's.

    Attributes:
        axes: the stored axis that becomes x, y, z.
        flipped: which of x, y, z then run the other way.

    >>> Orientation.of(Grid((4, 5, 6), (1.0, 1.0, 1.0)))
    Orientation(axes=(0, 1, 2), flipped=(False, False, False))
    """

    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    @classmethod
    def of(cls, grid: Grid) -> Orientation:
        """Return what brings the axes of ``grid`` nearest to the world's.

        Two sequences that are equally near (a scan tilted by 45 degrees) are told apart by the matrix that they end
        with, which does not depend on the order they started from.
        """
        rotation = grid.matrix[:3, :3] / np.array(grid.voxel_size)
        best: tuple[float, tuple[float, ...]] | None = None
        found = cls((0, 1, 2), (False, False, False))
        for x, y, z in permutations(range(3)):
            turned = rotation[:, (x, y, z)]
            signs = np.where(np.diag(turned) < 0, -1.0, 1.0)
            turned = turned * signs
            score = (round(float(np.trace(turned)), 5), tuple(np.round(turned, 5).ravel().tolist()))
            if best is None or score > best:
                fx, fy, fz = (bool(s < 0) for s in signs)
                best, found = score, cls((x, y, z), (fx, fy, fz))
        return found

    @property
    def is_identity(self) -> bool:
        """Whether the stored order is the world's already."""
        return self.axes == (0, 1, 2) and not any(self.flipped)

    def apply(self, volume: Volume) -> Volume:
        """Bring the last three axes of ``volume`` into the world's order; a copy in C order."""
        before: int = volume.ndim - 3
        order = (*range(before), *(before + a for a in self.axes))
        turned = tuple(before + a for a in range(3) if self.flipped[a])
        if isinstance(volume, np.ndarray):
            return np.ascontiguousarray(np.flip(volume.transpose(order), turned))
        return volume.permute(order).flip(turned).contiguous()

    def undo(self, volume: Volume) -> Volume:
        """Bring the last three axes back into the stored order; a copy in C order."""
        before: int = volume.ndim - 3
        order = (*range(before), *(before + self.axes.index(a) for a in range(3)))
        turned = tuple(before + a for a in range(3) if self.flipped[a])
        if isinstance(volume, np.ndarray):
            return np.ascontiguousarray(np.flip(volume, turned).transpose(order))
        return volume.flip(turned).permute(order).contiguous()

    def grid(self, grid: Grid) -> Grid:
        """Return the geometry of ``apply(volume)``: the same place in the world."""
        permuted = grid.permuted(self.axes)
        matrix = permuted.matrix
        for axis, n in enumerate(permuted.shape):
            if self.flipped[axis]:
                matrix[:3, 3] += matrix[:3, axis] * (n - 1)
                matrix[:3, axis] *= -1
        bx, by, bz = self.vector(grid.b0_dir)
        return Grid(permuted.shape, permuted.voxel_size, (bx, by, bz), tuple(map(tuple, matrix.tolist())))

    def vector(self, components: Triple) -> Triple:
        """Return a direction given in stored voxel axes in those of the world's order."""
        # Adding zero takes the sign off -0.
        x, y, z = ((-components[a] if f else components[a]) + 0.0 for a, f in zip(self.axes, self.flipped, strict=True))
        return (x, y, z)
