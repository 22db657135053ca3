"""Is a mask that somebody gives one of this scan's brain? What speaks against it is said; it is used all the same."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from qsmbench.preparation.brain import largest_part, otsu
from qsmbench.preparation.echoes import Echoes

# A mask of tissue has signal in most of its voxels; bone, air and dark vessels are few (ours).
_DARK = 0.25
# So large a part may lie apart from the largest one, or be enclosed by the mask and not in it (ours).
_APART, _HOLES = 0.05, 0.02


def mask_doubts(echoes: Echoes, mask: NDArray[np.bool_]) -> list[str]:
    """Return what makes a given mask (x, y, z) doubtful, one line each."""
    doubts = []
    n_inside = int(mask.sum())
    first = echoes.magnitude[0]
    if mask.all() and mask.size > 1:
        doubts.append(f"{echoes.name}: the mask holds every voxel of the volume, air included where there is any")
    elif float(first.max()) > float(first.min()):
        # Tissue against air; where the volume is all tissue, what Otsu parts is bright and less bright.
        threshold = min(otsu(first), 0.25 * float(np.percentile(first, 98)))
        dark = float((first[mask] < threshold).mean())
        if dark > _DARK:
            doubts.append(
                f"{echoes.name}: {100 * dark:.0f} % of the mask's voxels have no signal; does it belong to this scan, "
                "in the same orientation?"
            )
    apart = 1 - int(largest_part(mask).sum()) / n_inside
    if apart > _APART:
        doubts.append(
            f"{echoes.name}: {100 * apart:.0f} % of the mask lies apart from its largest part; leave out what is not "
            "to be reconstructed"
        )
    holes = int(scipy.ndimage.binary_fill_holes(mask).sum()) / n_inside - 1
    if holes > _HOLES:
        doubts.append(
            f"{echoes.name}: the mask has holes ({100 * holes:.0f} % of it): background removal takes them for "
            "outside; fill them unless they are meant"
        )
    return doubts
