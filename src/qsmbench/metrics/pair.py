"""The two maps that a metric compares: zeroed outside the mask, and cropped to where they are not zero.

A filter of radius r with zero boundary sees the same numbers in the mask's bounding box widened by r voxels (and no
further than the volume itself reaches) as in the whole volume, so cropping changes no score.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import sqrt

import numpy as np
from numpy.typing import NDArray

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

    @cached_property
    def inside(self) -> tuple[Volume, Volume]:
        """Estimate and reference at the mask's voxels, two 1-D arrays in one order."""
        return self.estimate[self.mask], self.reference[self.mask]


def crop_pair(estimate: NDArray[np.generic], reference: NDArray[np.generic], inside: Mask, margin: int) -> Pair:
    """Zero both maps outside the mask and crop them to the mask's box plus ``margin`` voxels.

    Args:
        estimate: (x, y, z), ppm.
        reference: (x, y, z), ppm.
        inside: (x, y, z), not empty.
        margin: how far the metric's filter reaches, in voxels.

    Raises:
        InputError: a value inside the mask that is not finite; a reference that is zero everywhere inside the mask,
            against which no relative error is defined.
    """
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
