"""What the numbers of a phase image show: padding, the range of the rest, and whether its ends are the same angle.

Neighbours at opposite ends of the range are a wrap, and the range is a whole turn, if three things hold. Neither of
the two is an empty background (the one value that much of the image has): the bright rim of an unwrapped phase lies far
from 0 and wraps nowhere. Both have about the same magnitude: what is tissue on one side and noise on the other tells
nothing. And both ends of the range are reached by about as many voxels as what lies before them, since a phase that
wraps does not thin out towards pi; an unwrapped one does towards its largest values. Scales in use need not show the
last (`phase_units`).

Values that lie apart from all others at an end of the range are padding and no phase. All ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Neighbours that differ by this share of the range lie at its opposite ends.
_OPPOSITE = 0.75
# So many of all pairs of neighbours, and at least so many, make a wrap; Gaussian noise alone has fewer.
_WRAPS, _FEWEST_WRAPS = 1e-4, 8
# Pairs whose magnitudes differ by more than this factor cross the rim of something.
_ALIKE = 2.0
# A value at an end of the range is padding where the next one is farther away than this share of the others' range;
# the smaller one where so large a share of all voxels has it.
_GAP, _SMALL_GAP, _OFTEN = 0.2, 0.02, 1e-3
# A value that so large a share of the voxels has is a background.
_BACKGROUND = 0.02
# The outermost hundredth of the range holds at least this share of what a hundredth of the outermost twentieth holds.
_OUTER, _NEXT, _DENSE = 0.01, 0.05, 0.35
# An echo that fills so much of the range without a wrap of its own was stretched to it; one that wraps in less of it
# has a scale of its own.
_STRETCHED, _OWN = 0.97, 0.93


@dataclass(frozen=True, eq=False)
class Range:
    """What was found.

    Attributes:
        padding: where values are none, or None where all are.
        low, high: of the others.
        wraps: neighbours lie at opposite ends.
        dense: both ends are as full as what lies before them.
        stretched: numbers of the echoes (from 1) that fill the range, or reach as far as its end, without a wrap of
            their own.
        apart: numbers of the echoes that wrap within less than the range.
    """

    padding: NDArray[np.bool_] | None
    low: float
    high: float
    wraps: bool
    dense: bool
    stretched: tuple[int, ...] = ()
    apart: tuple[int, ...] = ()


def measure(stored: NDArray[np.float32], magnitude: NDArray[np.float32] | None = None) -> Range:
    """Look at the stored numbers of all echoes (n_echoes, x, y, z) and, where there are any, at their magnitudes."""
    values, counts = np.unique(stored, return_counts=True)
    first, last = _ends(values, counts)
    padding = None
    if (first, last) != (0, len(values) - 1):
        padding = np.asarray((stored < values[first]) | (stored > values[last]))
    low, high = float(values[first]), float(values[last])
    most = first + int(np.argmax(counts[first : last + 1]))
    left_out = np.zeros(stored.shape, np.bool_) if padding is None else padding
    empty = counts[most] > _BACKGROUND * stored.size
    if empty:
        left_out = left_out | (stored == values[most])
    found = [_wraps(echo, out, m, high - low) for echo, out, m in _echoes(stored, left_out, magnitude)]
    wraps = sum(n for n, _ in found) >= max(_FEWEST_WRAPS, _WRAPS * sum(n for _, n in found))
    weights = counts.astype(np.float64)
    if empty:
        weights[most] = 0
    dense = _dense(values[first : last + 1], weights[first : last + 1])
    stretched, apart = [], []
    largest = max(-low, high)
    if wraps and len(stored) > 1:
        for number, ((n_opposite, n_pairs), echo, out) in enumerate(zip(found, stored, left_out, strict=True), start=1):
            kept = echo[~out]
            width = float(kept.max() - kept.min()) if kept.size else 0.0
            own = n_opposite >= max(_FEWEST_WRAPS, _WRAPS * n_pairs)
            as_far = kept.size > 0 and float(np.abs(kept).max()) >= (1 - 1e-5) * largest
            if not own and (width >= _STRETCHED * (high - low) or as_far):
                stretched.append(number)
            elif not own and 0 < width < _OWN * (high - low):
                own_opposite, own_pairs = _wraps(echo, out, None if magnitude is None else magnitude[number - 1], width)
                levels, n_each = np.unique(kept, return_counts=True)
                if own_opposite >= max(_FEWEST_WRAPS, 10 * _WRAPS * own_pairs) and _dense(levels, n_each * 1.0):
                    apart.append(number)
    return Range(padding, low, high, wraps, dense, tuple(stretched), tuple(apart))


def _ends(values: NDArray[np.float32], counts: NDArray[np.int64]) -> tuple[int, int]:
    """Index of the first and the last value that is no padding."""
    n_voxels = int(counts.sum())
    first, last = 0, len(values) - 1
    for _ in range(2):
        for end, step in ((first, 1), (last, -1)):
            if last - first <= 2:
                break
            near, far = values[end + step], values[last if step == 1 else first]
            gap, others = abs(float(near) - float(values[end])), abs(float(far) - float(near))
            often = counts[end] > max(_OFTEN * n_voxels, 10 * float(np.median(counts)))
            if gap > _GAP * others or (often and gap > _SMALL_GAP * others):
                first, last = (first + 1, last) if step == 1 else (first, last - 1)
    # A few values only are no phase of which one could stand apart.
    return (first, last) if last - first >= 8 else (0, len(values) - 1)


def _echoes(
    stored: NDArray[np.float32], left_out: NDArray[np.bool_], magnitude: NDArray[np.float32] | None
) -> list[tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32] | None]]:
    magnitudes = [None] * len(stored) if magnitude is None else list(magnitude)
    return list(zip(stored, left_out, magnitudes, strict=True))


def _wraps(
    echo: NDArray[np.float32], left_out: NDArray[np.bool_], magnitude: NDArray[np.float32] | None, width: float
) -> tuple[int, int]:
    """How many pairs of neighbours (of one echo) lie at opposite ends of the range, and how many pairs there are."""
    n_opposite = n_pairs = 0
    for axis in range(echo.ndim):
        low, high = (slice(None),) * axis + (slice(None, -1),), (slice(None),) * axis + (slice(1, None),)
        opposite = np.abs(echo[high] - echo[low]) > _OPPOSITE * width
        opposite &= ~(left_out[high] | left_out[low])
        n_pairs += opposite.size
        if magnitude is not None and opposite.any():
            a, b = magnitude[high][opposite], magnitude[low][opposite]
            n_opposite += int(np.count_nonzero((a <= _ALIKE * b) & (b <= _ALIKE * a)))
        else:
            n_opposite += int(np.count_nonzero(opposite))
    return n_opposite, n_pairs


def _dense(values: NDArray[np.float32], weights: NDArray[np.floating[Any]]) -> bool:
    """Whether both ends of the values are as full as what lies before them."""
    low, width = float(values[0]), float(values[-1]) - float(values[0])
    place = (values.astype(np.float64) - low) / width if width > 0 else np.zeros(len(values))
    for from_end in (place, 1 - place):
        outer, near = float(weights[from_end <= _OUTER].sum()), float(weights[from_end <= _NEXT].sum())
        if near == 0 or outer < _DENSE * near * _OUTER / _NEXT:
            return False
    return True
