"""ROMEO: unwrapping along the minimum spanning tree of all pairs of neighbours, each weighted by how far to trust it.

A pair of neighbouring voxels is worth a product of numbers between 0 and 1:

- phase coherence, 1 - |their wrapped difference| / pi: in space;
- phase gradient coherence, 1 - |difference - difference at another echo, scaled by the times|: in time;
- magnitude coherence, (smaller / larger)^2; half of what the smaller lacks to half of the largest magnitude; half of
  what the larger exceeds it by (flow).

Voxels join the one tree from the best seed on in the order of these weights, each unwrapped towards the neighbour that
it joined by: errors stay where the weights are small. With 256 buckets of weights the queue needs no sorting. The
template (one echo, or the phase gained between two) is unwrapped so; every other echo then towards the line through the
template and what is unwrapped already, which needs the phase at TE = 0 taken off before (`unwrap_in_time`).

A voxel hangs on the tree by one pair alone. Where all its neighbours together say more than half a turn otherwise, it
gets that turn (ours).

Dymerska 2021, doi 10.1002/mrm.28563; written from the paper. The mean weight of a voxel's pairs is a map of quality.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qsmbench.core.compiled import compiled

Float = NDArray[np.float32]
_BUCKETS = 256
# Of a magnitude, the quantile that counts as the largest: a single bright voxel must not set the scale (ours).
_LARGEST = 0.999


@dataclass(frozen=True, eq=False)
class Guide:
    """What beside the phase itself tells which pairs to trust.

    Attributes:
        magnitude: (x, y, z), any unit, or None.
        second: (x, y, z) rad, wrapped, phase of another echo, or None.
        ratio: time in which the phase to unwrap has grown over that in which ``second`` has.
    """

    magnitude: Float | None = None
    second: Float | None = None
    ratio: float = 1.0

    def cut(self, box: tuple[slice, slice, slice]) -> Guide:
        """Return the guide of a box of the volume."""
        magnitude, second = (None if v is None else v[box] for v in (self.magnitude, self.second))
        return Guide(magnitude, second, self.ratio)


def unwrap_romeo(phase: Float, mask: NDArray[np.bool_], guide: Guide) -> Float:
    """Unwrap in space; a multiple of 2 pi is left free in every connected part of the mask.

    Args:
        phase: (x, y, z), rad.
        mask: (x, y, z), where.
        guide: what else is known.

    Returns:
        (x, y, z) float32, rad, whole turns from ``phase`` in the mask, zero outside.
    """
    weights = pair_weights(phase, mask, guide)
    result = np.where(mask, phase, 0).astype(np.float32)
    if mask.any():
        n_pairs = 3 * mask.size
        following = np.empty(n_pairs, np.int32 if n_pairs < 2**31 else np.int64)
        steps = np.array([mask.shape[1] * mask.shape[2], mask.shape[2], 1])
        _grow(result.reshape(-1), weights.reshape(3, -1), mask.reshape(-1), steps, following)
        turns = np.zeros(mask.shape, np.float32)
        _outvoted(result, weights, turns)
        result += np.float32(2 * np.pi) * turns
    return result


def pair_weights(phase: Float, mask: NDArray[np.bool_], guide: Guide) -> NDArray[np.uint8]:
    """Weights of the pairs of each voxel with the next along x, y, z: (3, x, y, z), 1 worst to 255 best, 0 no pair."""
    none = np.empty((0, 0, 0), np.float32)
    magnitude, second = guide.magnitude, guide.second
    largest = 1.0
    if magnitude is not None and mask.any():
        largest = float(np.quantile(magnitude[mask], _LARGEST))
    if largest <= 0:
        magnitude = None
    return _weigh(
        np.ascontiguousarray(phase, np.float32),
        mask,
        none if magnitude is None else np.ascontiguousarray(magnitude, np.float32),
        none if second is None else np.ascontiguousarray(second, np.float32),
        np.array([largest, guide.ratio]),
    )


def quality(phase: Float, mask: NDArray[np.bool_], guide: Guide) -> Float:
    """Mean weight of each voxel's pairs inside the mask, (x, y, z) from 0 to 1; zero outside the mask."""
    weights = pair_weights(phase, mask, guide)
    total = np.zeros(mask.shape, np.float32)
    count = np.zeros(mask.shape, np.float32)
    for axis in range(3):
        low = (slice(None),) * axis + (slice(None, -1),)
        high = (slice(None),) * axis + (slice(1, None),)
        pair = weights[axis][low].astype(np.float32) / (_BUCKETS - 1)
        there = (weights[axis][low] > 0).astype(np.float32)
        for side in (low, high):
            total[side] += pair
            count[side] += there
    return np.asarray(total / np.maximum(count, 1), np.float32)


def unwrap_in_time(phase: Float, magnitude: Float, times: NDArray[np.float64], start: Float, spacing: float) -> Float:
    """Unwrap every echo towards the line through the origin and what is unwrapped already, shortest echo time first.

    Args:
        phase: (n_echoes, n_voxels), rad, without the phase at TE = 0.
        magnitude: (n_echoes, n_voxels).
        times: s.
        start: (n_voxels,) rad, the template: phase gained in ``spacing`` s, unwrapped.
        spacing: s.

    Returns:
        (n_echoes, n_voxels) float32, rad.
    """
    unwrapped = np.empty_like(phase)
    weight = magnitude.astype(np.float64) ** 2
    typical = weight.mean(axis=0)
    # The template is the difference of two echoes: twice the variance of one.
    numerator = 0.5 * typical * spacing * start
    denominator = 0.5 * typical * spacing**2
    for j in np.argsort(times, kind="stable"):
        slope = np.divide(numerator, denominator, out=start / spacing, where=denominator > 0)
        turns = np.round((slope * times[j] - phase[j]) / (2 * np.pi))
        unwrapped[j] = phase[j] + (2 * np.pi * turns).astype(np.float32)
        numerator += weight[j] * times[j] * unwrapped[j]
        denominator += weight[j] * times[j] ** 2
    return unwrapped


@compiled(nogil=True)
def _wrapped(x: Any) -> Any:
    return x - 2.0 * np.pi * np.round(x / (2.0 * np.pi))


@compiled(nogil=True)
def _weigh(
    phase: Float, mask: NDArray[np.bool_], magnitude: Float, second: Float, scale: NDArray[np.float64]
) -> NDArray[np.uint8]:
    nx, ny, nz = phase.shape
    weights = np.zeros((3, nx, ny, nz), np.uint8)
    half, ratio = 0.5 * scale[0], scale[1]
    for axis in range(3):
        dx, dy, dz = int(axis == 0), int(axis == 1), int(axis == 2)
        for i in range(nx - dx):
            for j in range(ny - dy):
                for k in range(nz - dz):
                    p, q, r = i + dx, j + dy, k + dz
                    if not (mask[i, j, k] and mask[p, q, r]):
                        continue
                    difference = _wrapped(phase[p, q, r] - phase[i, j, k])
                    weight = 1.0 - np.abs(difference) / np.pi
                    if second.size > 0:
                        other = _wrapped(second[p, q, r] - second[i, j, k]) * ratio
                        weight *= max(0.0, 1.0 - np.abs(difference - other))
                    if magnitude.size > 0:
                        smaller = min(magnitude[i, j, k], magnitude[p, q, r])
                        larger = max(magnitude[i, j, k], magnitude[p, q, r])
                        if larger > 0:
                            weight *= (smaller / larger) ** 2
                            weight *= 0.5 + 0.5 * min(1.0, smaller / half)
                            weight *= 0.5 + 0.5 * min(1.0, half / larger)
                        else:
                            weight = 0.0
                    weights[axis, i, j, k] = 1 + np.uint8(254.0 * weight)
    return weights


@compiled(nogil=True)
def _grow(
    phase: Float, weights: NDArray[np.uint8], mask: NDArray[np.bool_], steps: NDArray[np.int64], following: Any
) -> None:
    """Unwrap ``phase`` (flat, the next voxel along each axis ``steps`` away) in place along the tree."""
    n = phase.size
    done = ~mask
    # One stack a bucket: `first` its newest pair, `following` the one below; a pair is 3 voxel + axis.
    first = np.full(_BUCKETS, -1, np.int64)
    # Seeds in the order of a voxel's best three pairs, without a sort: buckets again.
    worth = np.zeros(n, np.int16)
    for axis in range(3):
        for v in range(n - steps[axis]):
            w = weights[axis, v]
            if w > 0:
                worth[v] += w
                worth[v + steps[axis]] += w
    seeds = _by_worth(worth, mask)
    for seed in seeds:
        if done[seed]:
            continue
        done[seed] = True
        newest = seed
        best = -1
        while True:
            # The pairs of the newest voxel with those not yet in the tree.
            for axis in range(3):
                step = steps[axis]
                for way in range(2):
                    lower = newest - step * way
                    if lower < 0:
                        continue
                    w = weights[axis, lower]
                    if w == 0 or done[lower + step * (1 - way)]:
                        continue
                    pair = 3 * lower + axis
                    following[pair] = first[w]
                    first[w] = pair
                    best = max(best, w)
            # The best pair of all with one end in the tree and one outside.
            newest = -1
            while best >= 0 and newest < 0:
                pair = first[best]
                if pair < 0:
                    best -= 1
                    continue
                first[best] = following[pair]
                lower, upper = pair // 3, pair // 3 + steps[pair % 3]
                if done[lower] and done[upper]:
                    continue
                inside, newest = (lower, upper) if done[lower] else (upper, lower)
                phase[newest] += 2.0 * np.pi * np.round((phase[inside] - phase[newest]) / (2.0 * np.pi))
                done[newest] = True
            if newest < 0:
                break


@compiled(nogil=True)
def _outvoted(phase: Float, weights: NDArray[np.uint8], turns: Float) -> None:
    """Turns by which each voxel lies off the weighted mean of its neighbours."""
    nx, ny, nz = phase.shape
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                total = 0.0
                count = 0.0
                for axis in range(3):
                    dx, dy, dz = int(axis == 0), int(axis == 1), int(axis == 2)
                    w = np.float64(weights[axis, i, j, k])
                    if w > 0:
                        total += w * (phase[i + dx, j + dy, k + dz] - phase[i, j, k])
                        count += w
                    p, q, r = i - dx, j - dy, k - dz
                    if p >= 0 and q >= 0 and r >= 0:
                        w = np.float64(weights[axis, p, q, r])
                        total += w * (phase[p, q, r] - phase[i, j, k])
                        count += w
                if count > 0:
                    turns[i, j, k] = np.round(total / count / (2.0 * np.pi))


@compiled(nogil=True)
def _by_worth(worth: NDArray[np.int16], mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Voxels of the mask, the most worthy first (a counting sort)."""
    count = np.zeros(6 * _BUCKETS + 1, np.int64)
    for v in range(worth.size):
        if mask[v]:
            count[6 * _BUCKETS - worth[v]] += 1
    place = np.cumsum(count) - count
    order = np.empty(count.sum(), np.int64)
    for v in range(worth.size):
        if mask[v]:
            bucket = 6 * _BUCKETS - worth[v]
            order[place[bucket]] = v
            place[bucket] += 1
    return order
