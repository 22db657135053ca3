"""The two maps a metric compares: checked, zeroed outside the mask, and cropped to where they are not zero.

A filter of radius r with zero boundary sees the same numbers in the mask's bounding box widened by r voxels (and no
further than the volume itself reaches) as in the whole volume, so cropping changes no score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qsmbench.core.errors import InputError

Volume = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Pair:
    """An estimate and its reference on one crop.

    Attributes:
        estimate: (x, y, z) float64, ppm, zero outside the mask.
        reference: the same for the reference.
        mask: (x, y, z) bool.
    """

    estimate: Volume
    reference: Volume
    mask: Mask

    @property
    def inside(self) -> tuple[Volume, Volume]:
        """Estimate and reference at the mask's voxels, two 1-D arrays in one order."""
        return self.estimate[self.mask], self.reference[self.mask]


def check_volumes(
    estimate: ArrayLike, reference: ArrayLike, mask: ArrayLike, voxel_size: Sequence[float]
) -> tuple[NDArray[np.generic], NDArray[np.generic], Mask]:
    """Return the three volumes as arrays, the mask as bool (positive is inside).

    Raises:
        InputError: volumes that are not 3-D or differ in shape, an empty mask, a voxel size that is not three positive
            lengths in mm.
    """
    volumes = {"estimate": np.asarray(estimate), "reference": np.asarray(reference), "mask": np.asarray(mask)}
    for name, volume in volumes.items():
        if volume.ndim != 3:
            raise InputError(f"{name} must be one 3-D volume, got shape {volume.shape}; score each volume by itself")
        if volume.shape != volumes["reference"].shape:
            raise InputError(
                f"{name} has shape {volume.shape}, but the reference has {volumes['reference'].shape}; "
                "resample it onto the reference's grid first"
            )
    if len(voxel_size) != 3 or not all(isfinite(v) and v > 0 for v in voxel_size):
        raise InputError(f"voxel size must be three positive lengths in mm, got {[float(v) for v in voxel_size]}")
    inside: Mask = volumes["mask"] > 0
    if not inside.any():
        raise InputError("mask is empty: no voxel is inside, so there is nothing to score; check its file")
    return volumes["estimate"], volumes["reference"], inside


def masked_pair(
    estimate: ArrayLike, reference: ArrayLike, mask: ArrayLike, voxel_size: Sequence[float], margin: int = 0
) -> Pair:
    """Check the volumes, zero both maps outside the mask and crop them to the mask's box plus ``margin`` voxels.

    Args:
        estimate: (x, y, z), ppm.
        reference: (x, y, z), ppm.
        mask: (x, y, z), positive inside.
        voxel_size: in mm.
        margin: how far the metric's filter reaches, in voxels.

    Raises:
        InputError: as `check_volumes`; a value inside the mask that is not finite; a reference that is zero everywhere
            inside the mask, against which no relative error is defined.
    """
    estimate, reference, inside = check_volumes(estimate, reference, mask, voxel_size)
    box = bounding_box(inside, margin)
    inside = np.ascontiguousarray(inside[box])
    maps = {}
    for name, volume in (("estimate", estimate), ("reference", reference)):
        maps[name] = np.where(inside, volume[box], 0).astype(np.float64, order="C")
        n_bad = int(maps[name].size - np.count_nonzero(np.isfinite(maps[name])))
        if n_bad:
            raise InputError(
                f"{name} has {n_bad} non-finite voxels (NaN or infinite) of {int(inside.sum())} inside the mask; "
                "repair the map, do not score it"
            )
    if not maps["reference"].any():
        raise InputError(
            "reference is zero everywhere inside the mask: the relative error is undefined; check its file"
        )
    return Pair(maps["estimate"], maps["reference"], inside)


def bounding_box(mask: Mask, margin: int) -> tuple[slice, slice, slice]:
    """Return the smallest box around the mask, widened by ``margin`` voxels where the volume has them."""
    edges = []
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        edges.append(slice(max(int(hit[0]) - margin, 0), min(int(hit[-1]) + 1 + margin, mask.shape[axis])))
    return edges[0], edges[1], edges[2]


def relative_error(estimate: Volume, reference: Volume) -> float:
    """Return 100 ||estimate - reference|| / ||reference|| (Euclidean norms over all elements), %."""
    error = estimate - reference
    return 100.0 * sqrt(inner(error, error) / inner(reference, reference))


def inner(x: Volume, y: Volume) -> float:
    """Return the sum of x y over all elements.

    Summed by numpy, pairwise, in one fixed order: a threaded BLAS adds up in another order on another machine, and
    tables would differ in their last digits.
    """
    return float((x * y).ravel().sum())


def demeaned_inside(pair: Pair) -> tuple[Volume, Volume]:
    """Return both maps at the mask's voxels, each less its own mean there.

    Raises:
        InputError: a reference that is constant inside the mask, of which nothing is left.
    """
    estimate, reference = pair.inside
    if reference.min() == reference.max():
        raise InputError(
            "reference is constant inside the mask: nothing is left once its mean is removed; check its file"
        )
    return estimate - estimate.mean(), reference - reference.mean()
