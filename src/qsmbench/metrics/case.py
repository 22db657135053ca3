"""All that a score can be made from: one map, and as much of the truth as there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid, Triple
from qsmbench.metrics.pair import Pair, Volume, crop_pair

WHOLE_MASK = "mask"


@dataclass(frozen=True, eq=False)
class Case:
    """One reconstruction and what is known about it.

    Attributes:
        estimate: (x, y, z), ppm. Values outside the mask do not matter, NaN included.
        mask: (x, y, z), positive inside: the voxels that are scored, the same for every method.
        grid: geometry.
        reference: the truth (x, y, z), ppm, or None.
        local_field: what the estimate was made from (x, y, z), ppm, or None.
        labels: (x, y, z) integers, 0 for none, or None.
        names: label to name, such as 11: "caudate_left".
        extent: (x, y, z), positive inside: what coverage is a share of, such as the whole brain where only a part of it
            can be scored; by default the mask.

    Raises:
        InputError: a volume that is not of the grid's shape, an empty mask.
    """

    estimate: NDArray[np.generic]
    mask: NDArray[np.generic]
    grid: Grid
    reference: NDArray[np.generic] | None = None
    local_field: NDArray[np.generic] | None = None
    labels: NDArray[np.integer] | None = None
    names: Mapping[int, str] = field(default_factory=dict)
    extent: NDArray[np.generic] | None = None

    def __post_init__(self) -> None:
        for name in ("estimate", "mask", "reference", "local_field", "labels", "extent"):
            volume = getattr(self, name)
            if volume is not None:
                self.grid.check_shape(name, np.shape(volume))
        if not self.inside.any():
            raise InputError("mask is empty: no voxel is inside, so there is nothing to score; check its file")

    @classmethod
    def of(
        cls,
        estimate: ArrayLike,
        reference: ArrayLike,
        mask: ArrayLike,
        voxel_size: Sequence[float],
        *,
        extent: ArrayLike | None = None,
    ) -> Case:
        """Make a case of two maps and a mask (x, y, z), as they are at hand without a grid.

        Raises:
            InputError: volumes that are not 3-D or differ in shape, a voxel size that is not three positive lengths in
                mm, an empty mask.
        """
        volumes = {"estimate": np.asarray(estimate), "reference": np.asarray(reference), "mask": np.asarray(mask)}
        for name, volume in volumes.items():
            if volume.ndim != 3:
                raise InputError(
                    f"{name} must be one 3-D volume, got shape {volume.shape}; score each volume by itself"
                )
            if volume.shape != volumes["reference"].shape:
                raise InputError(
                    f"{name} has shape {volume.shape}, but the reference has {volumes['reference'].shape}; "
                    "resample it onto the reference's grid first"
                )
        x, y, z = volumes["reference"].shape
        grid = Grid((x, y, z), _lengths(voxel_size))
        share_of = None if extent is None else np.asarray(extent)
        return cls(volumes["estimate"], volumes["mask"], grid, volumes["reference"], extent=share_of)

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        """The mask (x, y, z) as bool."""
        return np.asarray(self.mask) > 0

    @cached_property
    def chi(self) -> Volume:
        """The estimate (x, y, z) in ppm, zero outside the mask.

        Raises:
            InputError: values inside the mask that are not finite.
        """
        return self._masked("estimate")

    @cached_property
    def truth(self) -> Volume:
        """The reference (x, y, z) in ppm, zero outside the mask.

        Raises:
            InputError: there is none, or one with values inside the mask that are not finite.
        """
        return self._masked("reference")

    @cached_property
    def field(self) -> Volume:
        """The local field (x, y, z) in ppm, zero outside the mask.

        Raises:
            InputError: there is none.
        """
        return np.where(self.inside, self._given("local_field"), 0).astype(np.float64)

    @cached_property
    def pair(self) -> Pair:
        """Estimate and reference on the mask's box; errors as :meth:`pair_with_margin`."""
        return self.pair_with_margin(0)

    def pair_with_margin(self, margin: int) -> Pair:
        """Estimate and reference, zero outside the mask, on the mask's box and ``margin`` voxels around it.

        Raises:
            InputError: there is no reference, or it is zero everywhere inside the mask, against which no relative error
                is defined; values inside the mask that are not finite.
        """
        return crop_pair(np.asarray(self.estimate), self._given("reference"), self.inside, margin)

    def _given(self, name: str) -> NDArray[np.generic]:
        volume = getattr(self, name)
        if volume is None:
            raise InputError(f"this score needs a {name.replace('_', ' ')}, and there is none")
        return np.asarray(volume)

    def _masked(self, name: str) -> Volume:
        volume = np.where(self.inside, self._given(name), 0).astype(np.float64)
        n_bad = volume.size - np.count_nonzero(np.isfinite(volume))
        if n_bad:
            raise InputError(f"{name} has {n_bad} non-finite voxels inside the mask; repair the map, do not score it")
        return volume


def _lengths(voxel_size: Sequence[float]) -> Triple:
    if len(voxel_size) != 3 or not all(isfinite(v) and v > 0 for v in voxel_size):
        raise InputError(f"voxel size must be three positive lengths in mm, got {[float(v) for v in voxel_size]}")
    x, y, z = voxel_size
    return (x, y, z)
