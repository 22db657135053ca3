"""What the numbers of a mask mean: one thing against everything else, and nothing that only looks like it.

Two values are a mask. Numbers between 0 and 1 are probabilities, and a voxel is inside from one half on. Several whole
numbers are labels: which of them are meant only the user knows. An inverted mask has the air inside: it holds the rim
of the volume and not its middle.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qsmbench.core.errors import InputError

_HALF = 0.5
# Interpolation may overshoot probabilities by so much.
_OVERSHOOT = 0.1
# An inverted mask holds so much of the volume's rim, at most so much of its middle, and leaves so much out.
_RIM, _MIDDLE, _OUT = 0.75, 0.5, 0.05
# Thinner than this, in voxels, is no volume of which susceptibility could be mapped (ours).
_THIN = 5


def as_mask(values: NDArray[np.float32], name: str) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Return the mask (x, y, z), bool, and what was made of its values, one line each.

    Args:
        values: as stored.
        name: of the file.

    Raises:
        InputError: empty, negative, several labels, an image, inverted.
    """
    levels = np.unique(values)
    notes: tuple[str, ...] = ()
    if levels[-1] <= 0 and levels[0] == 0:
        raise InputError(f"mask {name} is empty: every voxel is 0; give a mask with the brain set to 1")
    if len(levels) == 1 or (len(levels) == 2 and levels[0] == 0):
        mask = values > 0
    elif levels[0] >= -_OVERSHOOT and levels[-1] <= 1 + _OVERSHOOT:
        mask = values >= _HALF
        notes = (
            f"mask {name} holds values between 0 and 1, taken for probabilities: inside from {_HALF:g} on "
            f"({int(mask.sum())} voxels of {int(np.count_nonzero(values > 0))} above 0)",
        )
        if not mask.any():
            raise InputError(f"mask {name} has no voxel of at least {_HALF:g}; give a mask with the brain set to 1")
    elif bool((levels == np.rint(levels)).all()) and len(levels) <= 1000 and levels[0] >= 0:
        shown = ", ".join(f"{v:g}" for v in levels[:6]) + (", ..." if len(levels) > 6 else "")
        raise InputError(
            f"mask {name} holds several labels ({shown}); give one mask with 1 for every voxel that is to count, "
            "0 elsewhere"
        )
    else:
        raise InputError(
            f"mask {name} holds values from {levels[0]:g} to {levels[-1]:g}: an image, not a mask; give one with 1 "
            "inside and 0 outside"
        )
    if not mask.any():
        raise InputError(f"mask {name} is empty: no voxel is above 0; give a mask with the brain set to 1")
    if _inverted(mask):
        raise InputError(f"mask {name} is inverted: the rim of the volume is inside, its middle is not; swap 0 and 1")
    return np.asarray(mask, np.bool_), notes


def bounding_box(mask: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """Return the slices that hold a mask (x, y, z), of no voxels where it is empty."""
    ends = []
    for axis in range(3):
        there = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        ends.append(slice(int(there[0]), int(there[-1]) + 1) if there.size else slice(0, 0))
    x, y, z = ends
    return (x, y, z)


def thin(mask: NDArray[np.bool_], name: str) -> list[str]:
    """Say where a mask (x, y, z) is too thin for what lies above and below it to be told from what lies in it."""
    extents = [s.stop - s.start for s in bounding_box(mask)]
    axis = int(np.argmin(extents))
    if not 0 < extents[axis] < _THIN:
        return []
    thick = "1 voxel" if extents[axis] == 1 else f"{extents[axis]} voxels"
    return [
        f"{name} is {thick} thick along axis {'xyz'[axis]}: the field of what lies beyond cannot be told from its own, "
        "and a map of it is wrong; give a thicker slab"
    ]


def _inverted(mask: NDArray[np.bool_]) -> bool:
    corners = mask[np.ix_(*[[0, n - 1] for n in mask.shape])]
    if not corners.all() or mask.mean() > 1 - _OUT:
        return False
    inner = np.zeros_like(mask)
    # A volume one voxel thick has no inside along that axis.
    inner[tuple(slice(1, -1) if n > 2 else slice(None) for n in mask.shape)] = True
    middle = mask[tuple(slice(n // 3, n - n // 3) for n in mask.shape)]
    rim = mask[~inner]
    return bool(rim.size and rim.mean() >= _RIM and middle.mean() <= _MIDDLE)
