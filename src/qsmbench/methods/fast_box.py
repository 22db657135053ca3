"""Where the iterative inversions work: the mask's box with a small margin, zero-padded to fast transform sizes.

Chi is free in the margin and takes up what a periodic convolution would otherwise bend at the mask's edge. Therefore
little of either is needed (docs/methods.md has what more would change).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import scipy.fft
import torch

from qsmbench.core.grid import Grid, Shape
from qsmbench.core.scan import Scan
from qsmbench.methods.crop import Box, crop_scan, mask_box, uncrop
from qsmbench.physics.dipole import dipole_kernel

MARGIN = 4


@dataclass(frozen=True, eq=False)
class FastBox:
    """A scan on its mask's box.

    Attributes:
        scan: the cropped scan.
        padded: sizes of the transform, at least those of the cropped scan.
        box: where it was cut out.
        whole: the grid that it was cut from.
    """

    scan: Scan
    padded: Shape
    box: Box
    whole: Grid

    @property
    def kernel(self) -> torch.Tensor:
        """The dipole kernel on the padded half spectrum."""
        grid = self.scan.grid
        return dipole_kernel(self.padded, grid.voxel_size, grid.b0_dir).to(self.scan.device)

    def pad(self, volume: torch.Tensor) -> torch.Tensor:
        """Put a volume of the box into zeros of the padded shape, as float32."""
        padded = torch.zeros(self.padded, device=volume.device)
        nx, ny, nz = volume.shape
        padded[:nx, :ny, :nz] = volume
        return padded

    def restore(self, volume: torch.Tensor) -> torch.Tensor:
        """Put a volume of the box or of the padded box back into the whole grid, zero elsewhere."""
        nx, ny, nz = self.scan.grid.shape
        return uncrop(volume[:nx, :ny, :nz], self.box, self.whole)


def fast_box(scan: Scan, padding: float = 1.0) -> FastBox:
    """Crop ``scan`` to its mask and choose a transform at least ``padding`` times as large."""
    box = mask_box(scan.mask, MARGIN)
    cropped = crop_scan(scan, box)
    nx, ny, nz = (int(scipy.fft.next_fast_len(math.ceil(n * padding - 1e-9), real=True)) for n in cropped.grid.shape)
    return FastBox(cropped, (nx, ny, nz), box, scan.grid)
