"""Where every method works: the mask's box with a margin of zeros, its voxels in the world's order.

What a method gives must not depend on where in its volume a head lies, on how much air was stored around it, nor on the
order in which its voxels were stored. Therefore every method is handed the same thing in all of these cases, and its
map is put back: the box depends on the mask alone, the margin is there also where the mask touches the volume's rim,
and `core.orientation` has undone the order. What is known outside the mask (a magnitude, a noise map) is zero there,
since a volume that was cropped to its mask has none of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from qsmbench.core.grid import Grid
from qsmbench.core.orientation import Orientation
from qsmbench.core.scan import Scan
from qsmbench.methods.crop import mask_box


@dataclass(frozen=True, eq=False)
class Place:
    """A scan as a method sees it, and the way back.

    Attributes:
        scan: on the box, in the world's order.
        whole: the grid that it was taken from.
        low: the box's first voxel in stored order, negative where the margin reaches beyond the volume.
        orientation: between the stored order and the world's.
    """

    scan: Scan
    whole: Grid
    low: tuple[int, int, int]
    orientation: Orientation

    @classmethod
    def of(cls, scan: Scan, margin: int) -> Place:
        """Return the place of ``scan`` with ``margin`` voxels around its mask."""
        spans = [(s.start - margin, s.stop + margin) for s in mask_box(scan.mask)]
        grid = scan.grid
        matrix = grid.matrix
        x, y, z = (start for start, _ in spans)
        matrix[:3, 3] += matrix[:3, :3] @ [x, y, z]
        nx, ny, nz = (stop - start for start, stop in spans)
        box = Grid((nx, ny, nz), grid.voxel_size, grid.b0_dir, tuple(map(tuple, matrix.tolist())))
        orientation = Orientation.of(grid)

        def cut(volume: torch.Tensor) -> torch.Tensor:
            return orientation.apply(_window(volume, spans))

        mask = cut(scan.mask)

        def masked(volume: torch.Tensor | None) -> torch.Tensor | None:
            return None if volume is None else torch.where(mask, cut(volume), 0.0)

        here = Scan(
            local_field=cut(scan.local_field),
            mask=mask,
            grid=orientation.grid(box),
            magnitude=masked(scan.magnitude),
            field_noise=masked(scan.field_noise),
            b0=scan.b0,
            echo_times=scan.echo_times,
        )
        return cls(here, grid, (x, y, z), orientation)

    def restore(self, volume: torch.Tensor, refined: int = 1) -> torch.Tensor:
        """Put a map of the box back into the whole volume, zero elsewhere.

        Args:
            volume: (x, y, z) on the box, or on its grid with every voxel cut into ``refined`` along each axis.
            refined: see there.
        """
        stored = self.orientation.undo(volume)
        whole = [n * refined for n in self.whole.shape]
        spans = [(-refined * low, -refined * low + n) for low, n in zip(self.low, whole, strict=True)]
        return _window(stored, spans)


def _window(volume: torch.Tensor, spans: list[tuple[int, int]]) -> torch.Tensor:
    """Return ``volume`` (x, y, z) from start to stop along each axis, zero (or False) beyond its ends."""
    margins: list[int] = []
    for axis, (start, stop) in enumerate(spans):
        n = volume.shape[axis]
        first, last = max(start, 0), min(stop, n)
        volume = volume.narrow(axis, first, last - first)
        margins = [first - start, stop - last, *margins]
    return torch.nn.functional.pad(volume, margins)
