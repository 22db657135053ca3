"""Heads turned the same way: x, y, z to the patient's right, front and top, without interpolation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qsmbench.core.grid import Grid
from qsmbench.core.orientation import Orientation
from qsmbench.simulation.source import Source


def upright(source: Source, axes: str | None = None) -> Source:
    """Turn a head by whole right angles so that x, y, z run to the patient's right, front and top (RAS).

    ``axes`` says to which side each axis runs where the affine does not know; the affine is then replaced.
    """
    grid = source.grid if axes is None else _told(source.grid, axes)
    orientation = Orientation.of(grid)
    labels, magnitude = (None if v is None else orientation.apply(v) for v in (source.labels, source.magnitude))
    return replace(
        source,
        chi=orientation.apply(source.chi),
        mask=orientation.apply(source.mask),
        grid=orientation.grid(grid),
        labels=labels,
        magnitude=magnitude,
    )


def _told(grid: Grid, axes: str) -> Grid:
    """The same voxels with axes along the world's, to the sides that are told (such as LPS)."""
    from nibabel.orientations import axcodes2ornt

    matrix = np.zeros((4, 4))
    for axis, (world, sign) in enumerate(axcodes2ornt(axes)):  # type: ignore[no-untyped-call]
        matrix[int(world), axis] = sign * grid.voxel_size[axis]
    matrix[3, 3] = 1.0
    return Grid.from_affine(grid.shape, matrix, grid.b0_dir)
