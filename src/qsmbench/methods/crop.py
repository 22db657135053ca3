"""Work on the mask's bounding box: voxels outside carry no data, and transforms cost by the box.

A head fills about half of its volume, so the box halves time and memory. Padding is then counted from the box.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import torch

from qsmbench.core.grid import Grid
from qsmbench.core.scan import Scan

Box: TypeAlias = tuple[slice, slice, slice]


def mask_box(mask: torch.Tensor, margin: int = 0) -> Box:
    """Smallest box that holds ``mask`` (x, y, z) and ``margin`` voxels around it, as far as the volume reaches."""
    x, y, z = (_span(mask, axis, margin) for axis in range(3))
    return (x, y, z)


def crop_scan(scan: Scan, box: Box) -> Scan:
    """Return the scan on ``box``, at the same place in the world."""
    grid = scan.grid
    start = [s.start for s in box]
    matrix = grid.matrix
    matrix[:3, 3] += matrix[:3, :3] @ start
    nx, ny, nz = (s.stop - s.start for s in box)
    cropped = Grid((nx, ny, nz), grid.voxel_size, grid.b0_dir, tuple(map(tuple, matrix.tolist())))
    volumes = {
        name: None if volume is None else volume[box].contiguous()
        for name, volume in (("magnitude", scan.magnitude), ("field_noise", scan.field_noise))
    }
    return replace(
        scan,
        local_field=scan.local_field[box].contiguous(),
        mask=scan.mask[box].contiguous(),
        grid=cropped,
        magnitude=volumes["magnitude"],
        field_noise=volumes["field_noise"],
    )


def uncrop(volume: torch.Tensor, box: Box, grid: Grid) -> torch.Tensor:
    """Put a volume back where its box was, with zeros around it."""
    full = torch.zeros(grid.shape, dtype=volume.dtype, device=volume.device)
    full[box] = volume
    return full


def _span(mask: torch.Tensor, axis: int, margin: int) -> slice:
    others = [a for a in range(3) if a != axis]
    inside = mask.any(dim=others[1]).any(dim=others[0]).nonzero()
    return slice(max(int(inside[0]) - margin, 0), min(int(inside[-1]) + 1 + margin, mask.shape[axis]))
