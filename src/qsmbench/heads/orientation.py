"""Heads turned the same way: x, y, z to the patient's right, front and top, without interpolation."""

from __future__ import annotations

from typing import Any

import numpy as np
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, io_orientation

from qsmbench.core.grid import Grid
from qsmbench.simulation.source import Source


def upright(source: Source, axes: str | None = None) -> Source:
    """Turn a head by whole right angles so that x, y, z run to the patient's right, front and top (RAS).

    ``axes`` says to which side each axis runs where the affine does not know; the affine is then replaced.
    """
    matrix = source.grid.matrix
    if axes is not None:
        turn: Any = axcodes2ornt(axes)  # type: ignore[no-untyped-call]
        matrix = np.zeros((4, 4))
        for axis, (world, sign) in enumerate(turn):
            matrix[int(world), axis] = sign * source.grid.voxel_size[axis]
        matrix[3, 3] = 1.0
    turn = io_orientation(matrix)  # type: ignore[no-untyped-call]

    def turned(volume: Any) -> Any:
        return np.ascontiguousarray(apply_orientation(volume, turn))  # type: ignore[no-untyped-call]

    b0_dir = np.zeros(3)
    for axis, (world, sign) in enumerate(turn):
        b0_dir[int(world)] = sign * source.grid.b0_dir[axis]
    affine = matrix @ inv_ornt_aff(turn, source.grid.shape)  # type: ignore[no-untyped-call]
    chi = turned(source.chi)
    grid = Grid.from_affine(chi.shape, affine, (b0_dir + 0.0).tolist())
    labels, magnitude = (None if v is None else turned(v) for v in (source.labels, source.magnitude))
    return Source(chi, turned(source.mask), grid, labels, magnitude)
