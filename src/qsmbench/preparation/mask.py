"""The mask: where it comes from, and which parts of its rim the phase does not support.

At the rim (sinuses, ear canals, air around the head) the signal dies within an echo and neighbouring voxels no longer
agree; a field there is noise that background removal would carry inwards. What is unreliable and connected to the
outside is left out; what the mask encloses (a vein, a bleeding) stays, since a hole would cost a sphere's radius around
it. Thresholds are ours, on quantities of the fit.
"""

from __future__ import annotations

import logging

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from qsmbench.core.errors import InputError
from qsmbench.preparation.brain import cut_bridges, extract_brain, largest_part, otsu
from qsmbench.preparation.echoes import Echoes
from qsmbench.preparation.field_fit import FieldFit
from qsmbench.preparation.settings import MaskSettings

logger = logging.getLogger(__name__)

# What is left of a rim with holes is opened by a sphere of this radius, in multiples of the longest voxel edge.
_OPENING = 1.0


def first_mask(echoes: Echoes, settings: MaskSettings) -> NDArray[np.bool_]:
    """Return the mask (x, y, z) from the first echo's magnitude, the least decayed one."""
    magnitude = echoes.magnitude[0]
    if settings.method == "whole":
        return np.ones(magnitude.shape, np.bool_)
    if settings.method == "bet":
        return extract_brain(magnitude, echoes.grid, settings.fractional_intensity)
    mask = largest_part(magnitude > otsu(magnitude))
    filled: NDArray[np.bool_] = scipy.ndimage.binary_fill_holes(mask) if settings.fill_holes else mask
    return filled


def refine(mask: NDArray[np.bool_], fit: FieldFit, settings: MaskSettings, echoes: Echoes) -> NDArray[np.bool_]:
    """Leave out the unreliable rim of ``mask``, keep the largest part, fill its holes.

    Raises:
        InputError: nothing reliable is left.
    """
    reliable = mask & (fit.coherence >= settings.min_coherence)
    if settings.max_noise is not None:
        reliable &= fit.field_noise <= settings.max_noise * float(np.median(fit.field_noise[mask]))
    if not reliable.any():
        raise InputError(f"{echoes.name}: the phase is noise everywhere in the mask; check which files hold the phase")
    voxel_size = echoes.grid.voxel_size
    refined = cut_bridges(reliable, voxel_size, _OPENING * max(voxel_size)) & mask
    if not settings.fill_holes:
        refined &= reliable
    if not refined.any():
        raise InputError(f"{echoes.name}: nothing of the mask is left where the phase is reliable; give a mask")
    lost = 1 - refined.sum() / mask.sum()
    logger.info("%s: %.1f %% of the mask left out, where the phase is not reliable", echoes.name, 100 * lost)
    return refined
