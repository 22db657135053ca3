"""Is a field what it is said to be, and does it reach as far as its mask? What speaks against it is said.

- A local field holds what sources inside the mask make; what sources outside make is harmonic in it and mostly smooth.
  So little of a local field's variance follows a harmonic polynomial of the second degree (0 to 3 % of local fields,
  measured ones among them), and most of a total field's does (42 to 99 %).
- Programs write 0 where they know nothing: a mask with more than a few such voxels is larger than the field.
- A field that jumps from one end of its range to the other, again and again, is wrapped.
- Noise is less than the field, or in another unit.

All ours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qsmbench.data.mask_values import bounding_box

_SMOOTH = 0.3
# Fewer voxels, or a thinner slab, follow any polynomial.
_FEWEST, _THINNEST = 1000, 8
_NOTHING = 0.05
_NOISIER = 10.0
# Neighbours that differ by this share of the range, so many of all pairs and at least so many: wraps, and no source.
_OPPOSITE, _WRAPS, _FEWEST_WRAPS = 0.75, 1e-3, 30


def field_doubts(
    field: NDArray[np.float32],
    mask: NDArray[np.bool_],
    name: str,
    *,
    total: bool,
    noise: NDArray[np.float32] | None = None,
    voxel_size: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> list[str]:
    """Return what makes a field (x, y, z; ppm) doubtful in its mask, one line each.

    Args:
        field: local or total.
        mask: where it is known.
        name: of the file.
        total: whether the background is still in it.
        noise: standard deviation, in the field's unit, if there is one.
        voxel_size: mm.
    """
    doubts = []
    inside = field[mask].astype(np.float64)
    if not inside.size or not np.isfinite(inside).all():
        return []
    nothing = float((inside == 0).mean())
    if nothing > _NOTHING:
        doubts.append(
            f"{name}: the field is exactly 0 in {100 * nothing:.0f} % of the mask's voxels: is the mask larger than "
            "where the field is known, or that of another scan? Give the mask that came with the field"
        )
    elif not total and (share := smooth_share(field, mask, voxel_size)) > _SMOOTH:
        doubts.append(
            f"{name}: {100 * share:.0f} % of the field is as smooth as that of sources outside: is it a total field? "
            "Give it as --total-field, so that its background is removed"
        )
    if _is_wrapped(field, mask):
        doubts.append(
            f"{name}: the field jumps between {inside.min():.3g} and {inside.max():.3g} ppm from voxel to voxel, again "
            "and again: is it wrapped? Unwrap it, or give the phase as --phase"
        )
    if noise is not None:
        typical, size = float(np.median(noise[mask])), float(np.sqrt(np.mean(inside**2)))
        if typical > _NOISIER * size > 0:
            doubts.append(
                f"{name}: its noise ({typical:.2g} ppm) is {typical / size:.0f} times the field itself: is the noise "
                "in another unit? Say so in its sidecar's Units"
            )
    return doubts


def _is_wrapped(field: NDArray[np.float32], mask: NDArray[np.bool_]) -> bool:
    inside = field[mask]
    width = float(inside.max()) - float(inside.min())
    n_wraps = n_pairs = 0
    for axis in range(3):
        low, high = (slice(None),) * axis + (slice(None, -1),), (slice(None),) * axis + (slice(1, None),)
        both = mask[low] & mask[high]
        n_pairs += int(both.sum())
        n_wraps += int(np.count_nonzero(np.abs(field[high] - field[low])[both] > _OPPOSITE * width))
    return width > 0 and n_wraps >= max(_FEWEST_WRAPS, _WRAPS * n_pairs)


def smooth_share(field: NDArray[np.float32], mask: NDArray[np.bool_], voxel_size: tuple[float, float, float]) -> float:
    """Share of a field's variance in the mask that a harmonic polynomial of the second degree explains."""
    voxels = np.flatnonzero(mask)
    if len(voxels) < _FEWEST or min(s.stop - s.start for s in bounding_box(mask)) < _THINNEST:
        return 0.0
    # A hundred thousand voxels tell it as well as millions.
    step = max(1, len(voxels) // 100_000)
    places = np.column_stack(np.unravel_index(voxels[::step], mask.shape))
    values = field[tuple(places.T)].astype(np.float64)
    values -= values.mean()
    variance = float(values @ values)
    if variance <= 1e-12 * float(np.abs(field[mask]).max()) ** 2 * len(values):
        return 0.0
    x, y, z = ((places - places.mean(axis=0)) * np.array(voxel_size)).T
    terms = [np.ones_like(x), x, y, z, x * y, x * z, y * z, x * x - y * y, 2 * z * z - x * x - y * y]
    basis, _ = np.linalg.qr(np.column_stack(terms))
    return float(np.sum((basis.T @ values) ** 2)) / variance
