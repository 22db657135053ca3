"""All that a score can be made from: one map, and as much of the truth as there is.

The metrics of `qsmbench.metrics` compare two maps. Those that need tissue labels, the measured field or no truth at all
take a `Case` and return a number a region.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid

WHOLE_MASK = "mask"


@dataclass(frozen=True, eq=False)
class Case:
    """One reconstruction and what is known about it.

    Attributes:
        estimate: (x, y, z), ppm.
        mask: (x, y, z), positive inside.
        grid: geometry.
        reference: the truth (x, y, z), ppm, or None.
        local_field: what the estimate was made from (x, y, z), ppm, or None.
        labels: (x, y, z) integers, 0 for none, or None.
        names: label to name, such as 11: "caudate_left".

    Raises:
        InputError: a volume that is not of the grid's shape, an empty mask, an estimate with values that are not
            finite inside the mask.
    """

    estimate: NDArray[np.generic]
    mask: NDArray[np.generic]
    grid: Grid
    reference: NDArray[np.generic] | None = None
    local_field: NDArray[np.generic] | None = None
    labels: NDArray[np.integer] | None = None
    names: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("estimate", "mask", "reference", "local_field", "labels"):
            volume = getattr(self, name)
            if volume is not None:
                self.grid.check_shape(name, np.shape(volume))
        if not self.inside.any():
            raise InputError("mask is empty: no voxel is inside, so there is nothing to score; check its file")
        if not np.isfinite(np.asarray(self.estimate)[self.inside]).all():
            raise InputError("estimate has non-finite voxels inside the mask; repair the map, do not score it")

    @property
    def inside(self) -> NDArray[np.bool_]:
        """The mask (x, y, z) as bool."""
        return np.asarray(self.mask) > 0

    @property
    def chi(self) -> NDArray[np.float64]:
        """The estimate (x, y, z) in ppm, zero outside the mask."""
        return np.where(self.inside, self.estimate, 0).astype(np.float64)
