"""Heads to make samples from: susceptibility, mask and, where known, tissues; one head, or several with weights."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.simulation.anisotropy import white_matter
from qsmbench.simulation.magnitude import map_magnitude
from qsmbench.simulation.recipe import MAX_CHI

# Enough points to know the outline and the share of brain in a box to a percent, few enough to move in a millisecond.
_N_POINTS = 6000


@dataclass(frozen=True, eq=False)
class Source:
    """A head at rest.

    Attributes:
        chi: (x, y, z) float32, ppm; values outside the mask are ignored.
        mask: (x, y, z) bool, the brain.
        grid: geometry; ``b0_dir`` is what the samples get where obliquity is off.
        labels: (x, y, z) int16, one number a tissue, 0 for none; or None.
        magnitude: (x, y, z) float32, of a gradient echo, any unit; or None, and then it is made from chi.

    Raises:
        InputError: shapes that differ, an empty mask, chi in the mask that is not finite or beyond 3 ppm.
    """

    chi: NDArray[np.float32]
    mask: NDArray[np.bool_]
    grid: Grid
    labels: NDArray[np.int16] | None = None
    magnitude: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        self.grid.check_shape("source chi", self.chi.shape)
        self.grid.check_shape("source mask", self.mask.shape)
        object.__setattr__(self, "chi", np.ascontiguousarray(self.chi, np.float32))
        object.__setattr__(self, "mask", np.ascontiguousarray(self.mask, bool))
        if self.labels is not None:
            self.grid.check_shape("source labels", self.labels.shape)
            object.__setattr__(self, "labels", np.ascontiguousarray(self.labels, np.int16))
        if self.magnitude is not None:
            self.grid.check_shape("source magnitude", self.magnitude.shape)
            object.__setattr__(self, "magnitude", np.ascontiguousarray(self.magnitude, np.float32))
        if not self.mask.any():
            raise InputError("source mask is empty: no voxel is inside; check its file")
        inside = self.chi[self.mask]
        if not np.isfinite(inside).all():
            raise InputError("source chi has NaN or infinite voxels inside the mask; repair it or shrink the mask")
        if np.abs(inside).max() > MAX_CHI:
            raise InputError(f"source chi reaches {np.abs(inside).max():.3g}, beyond {MAX_CHI:g} ppm; is it in ppm?")

    @cached_property
    def box(self) -> tuple[slice, slice, slice]:
        """The smallest box of voxels that holds the mask."""
        slices = []
        for axis in range(3):
            along = np.flatnonzero(self.mask.any(axis=tuple(a for a in range(3) if a != axis)))
            slices.append(slice(int(along[0]), int(along[-1]) + 1))
        x, y, z = slices
        return (x, y, z)

    @cached_property
    def centre(self) -> NDArray[np.float64]:
        """Voxel index of the middle of the mask's box; the origin of the head's coordinates in mm."""
        return np.array([(s.start + s.stop - 1) / 2 for s in self.box])

    @cached_property
    def half_diagonal(self) -> float:
        """Half the diagonal of the mask's box in mm."""
        edges = [(s.stop - s.start) * v for s, v in zip(self.box, self.grid.voxel_size, strict=True)]
        return float(np.linalg.norm(edges)) / 2

    @cached_property
    def n_inside(self) -> int:
        """Number of voxels in the mask."""
        return int(np.count_nonzero(self.mask))

    @cached_property
    def stride(self) -> int:
        """Every how many voxels along each axis :attr:`points` has one."""
        stride: int = round((self.n_inside / _N_POINTS) ** (1 / 3))
        return max(1, stride)

    @cached_property
    def points(self) -> NDArray[np.float64]:
        """(n, 3) a regular lattice of places in the mask, mm from :attr:`centre`."""
        n = self.stride
        start = [s.start + min(n // 2, (s.stop - s.start) // 2) for s in self.box]
        x, y, z = start
        index = np.argwhere(self.mask[x::n, y::n, z::n]) * n + start
        if len(index) == 0:
            index = np.argwhere(self.mask)
        points: NDArray[np.float64] = (index - self.centre) * np.array(self.grid.voxel_size)
        return points

    @property
    def point_volume(self) -> float:
        """Volume in mm^3 for which each of :attr:`points` stands."""
        vx, vy, vz = self.grid.voxel_size
        return self.n_inside * vx * vy * vz / len(self.points)

    @cached_property
    def chi_range(self) -> tuple[float, float]:
        """Least and greatest chi in the mask in ppm."""
        inside = self.chi[self.mask]
        return float(inside.min()), float(inside.max())

    @cached_property
    def relative_magnitude(self) -> NDArray[np.float32]:
        """The magnitude at rest, or the one made from chi, with median 1 in the mask and 0 outside."""
        given = self.magnitude
        if given is None:
            white = white_matter(self.chi, self.mask, self.grid)
            given = map_magnitude(self.chi, self.mask, white)
        given = np.where(self.mask, given, np.float32(0))
        median = float(np.median(given[self.mask]))
        if not (np.isfinite(given).all() and given.min() >= 0 and median > 0):
            raise InputError("source magnitude is negative, not finite, or zero in most of the mask; leave it out")
        return given / np.float32(median)

    @cached_property
    def label_values(self) -> tuple[int, ...]:
        """The labels that occur in the mask, without 0, ascending."""
        if self.labels is None:
            return ()
        return tuple(int(v) for v in np.unique(self.labels[self.mask]) if v != 0)


@dataclass(frozen=True, eq=False)
class Heads:
    """One or several sources, drawn by weight.

    Attributes:
        sources: the heads.
        weights: of each, relative to the others; positive.

    Raises:
        InputError: no head, another number of weights than of heads, a weight that is not positive.
    """

    sources: tuple[Source, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.sources or len(self.sources) != len(self.weights):
            raise InputError(f"a mixture needs a weight for each head, got {len(self.weights)} for {len(self.sources)}")
        if not all(np.isfinite(w) and w > 0 for w in self.weights):
            raise InputError(f"weights of heads must be positive, got {self.weights}")

    def choose(self, rng: np.random.Generator) -> int:
        """Draw the number of a head."""
        ends = np.cumsum(self.weights) / np.sum(self.weights)
        return min(int(np.searchsorted(ends, rng.random(), side="right")), len(ends) - 1)
