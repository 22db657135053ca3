"""The smallest box around the mask with room for a sphere: background removal computes there and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
import torch
from torch.nn.functional import pad

from qsmbench.core.grid import Shape, Triple


@dataclass(frozen=True)
class Box:
    """A box of a volume, enlarged by a margin of zeros where it ends at the volume's rim.

    Attributes:
        low: first voxel, may be negative.
        shape: voxels along x, y, z.
    """

    low: tuple[int, int, int]
    shape: Shape

    @classmethod
    def around(cls, mask: torch.Tensor, voxel_size: Triple, margin: float) -> Box:
        """Return the box that holds ``mask`` and ``margin`` mm around it, enlarged to sizes that transform fast."""
        low, shape = [], []
        for axis, v in enumerate(voxel_size):
            others = tuple(a for a in range(3) if a != axis)
            (inside,) = np.nonzero(mask.any(dim=others[1]).any(dim=others[0]).cpu().numpy())
            reach = int(margin / v + 1e-6)
            low.append(int(inside[0]) - reach)
            shape.append(int(scipy.fft.next_fast_len(int(inside[-1] - inside[0]) + 1 + 2 * reach, real=True)))
        return cls((low[0], low[1], low[2]), (shape[0], shape[1], shape[2]))

    def cut(self, volume: torch.Tensor) -> torch.Tensor:
        """Return the box of ``volume``, zero beyond the volume."""
        margins: list[int] = []
        inner = volume
        for axis in range(3):
            first, n = self.low[axis], self.shape[axis]
            start, stop = max(first, 0), min(first + n, volume.shape[axis])
            inner = inner.narrow(axis, start, stop - start)
            margins = [start - first, first + n - stop, *margins]
        return pad(inner, margins)

    def paste(self, box: torch.Tensor, shape: Shape) -> torch.Tensor:
        """Invert :meth:`cut`: a volume of ``shape``, zero beyond the box."""
        volume = box.new_zeros(shape)
        here, there = [], []
        for first, n, m in zip(self.low, self.shape, shape, strict=True):
            start, stop = max(first, 0), min(first + n, m)
            there.append(slice(start, stop))
            here.append(slice(start - first, stop - first))
        volume[tuple(there)] = box[tuple(here)]
        return volume
