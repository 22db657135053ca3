"""What preparation starts from: the complex echoes of one acquisition, as wrapped phase and magnitude."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from qsmbench.core.b0 import check_b0
from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.core.orientation import Orientation

# A gradient echo beyond 0.5 s has decayed in any tissue; before 0.1 ms the phase of a whole ppm turns by 0.1 rad.
_LONGEST, _SHORTEST = 0.5, 1e-4


@dataclass(frozen=True, eq=False)
class Echoes:
    """A multi-echo (or single-echo) gradient-echo acquisition.

    Attributes:
        phase: (n_echoes, x, y, z) float32, rad, wrapped or not, phase = +2 pi gamma B0 field TE + offset.
        magnitude: (n_echoes, x, y, z) float32, not negative, arbitrary unit.
        grid: geometry of every echo.
        echo_times: s, rising.
        b0: T.
        name: how messages call the acquisition.
        slice_axis: along which slices were taken, where the files say so; else geometry decides (`swi`).

    Raises:
        InputError: shapes that differ, echo times that do not rise or look like ms, a B0 that is not positive, a phase
            or magnitude that is not finite, a negative magnitude, a magnitude that is zero throughout.
    """

    phase: NDArray[np.float32]
    magnitude: NDArray[np.float32]
    grid: Grid
    echo_times: tuple[float, ...]
    b0: float
    name: str = "acquisition"
    slice_axis: int | None = None

    def __post_init__(self) -> None:
        n_echoes = len(self.echo_times)
        check_echo_times(self.echo_times, self.name)
        check_b0(self.b0, self.name)
        for what, data in (("phase", self.phase), ("magnitude", self.magnitude)):
            if data.ndim != 4 or len(data) != n_echoes:
                raise InputError(
                    f"{self.name}: {what} has shape {data.shape}, but there are {n_echoes} echo times; "
                    "give one volume an echo"
                )
            self.grid.check_shape(f"{self.name}: {what}", data.shape[1:])
            n_bad = data.size - int(np.isfinite(data).sum())
            if n_bad:
                raise InputError(f"{self.name}: {what} has {n_bad} NaN or infinite voxels; set them to 0")
        if self.magnitude.min() < 0:
            raise InputError(f"{self.name}: magnitude is negative somewhere; is it the real part, or a phase?")
        if not self.magnitude.any():
            raise InputError(f"{self.name}: magnitude is zero throughout; give the magnitude images")

    def reordered(self, orientation: Orientation) -> Echoes:
        """Return the same echoes with their voxels in the world's order."""
        return replace(
            self,
            phase=orientation.apply(self.phase),
            magnitude=orientation.apply(self.magnitude),
            grid=orientation.grid(self.grid),
            slice_axis=None if self.slice_axis is None else orientation.axes.index(self.slice_axis),
        )

    @property
    def n_echoes(self) -> int:
        """How many echoes there are."""
        return len(self.echo_times)


def check_echo_times(echo_times: tuple[float, ...], name: str) -> None:
    """Raise InputError for echo times (s) that are none, do not rise, are not positive or look like ms."""
    if not echo_times:
        raise InputError(f"{name}: no echo times; give one an echo, in s")
    shown = ", ".join(f"{t:g}" for t in echo_times)
    if any(not t > 0 for t in echo_times):
        raise InputError(f"{name}: echo times must be positive, got {shown} s")
    if max(echo_times) > _LONGEST:
        raise InputError(f"{name}: echo times {shown} s look like milliseconds; give seconds (divide by 1000)")
    if max(echo_times) < _SHORTEST:
        raise InputError(f"{name}: echo times {shown} s are too short for any phase to grow; give seconds")
    if any(b <= a for a, b in pairwise(echo_times)):
        raise InputError(f"{name}: echo times must rise from echo to echo, got {shown} s")
