"""A magnitude image for a head that has none: what a gradient echo would show of its susceptibility.

    magnitude = exp(-TE R2*),   R2* = 20 + 120 |chi| + 200 max(|chi| - 0.2, 0)   (1/s; chi in ppm, TE = 20 ms, 3 T).

120/s a ppm is the slope of R2* on susceptibility over the deep nuclei and veins of the phantom's table
(`phantom/values.py`); 320/s, that of static dephasing (Yablonskiy & Haacke 1994, doi 10.1002/mrm.1910320610), holds in
bleeds and calcifications, which therefore are dark.
"""

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

ECHO_TIME = 0.020  # s
_TISSUE_R2STAR, _IRON_SLOPE, _STATIC_SLOPE, _STRONG = 20.0, 120.0, 320.0, 0.2


def map_magnitude(chi: F32, mask: NDArray[np.bool_]) -> F32:
    """Return the magnitude (x, y, z) of a gradient echo, 0 to 1, zero outside ``mask``; ``chi`` in ppm."""
    strength = np.abs(np.where(mask, chi, 0).astype(np.float32))
    rate = _TISSUE_R2STAR + _IRON_SLOPE * strength
    rate += (_STATIC_SLOPE - _IRON_SLOPE) * np.maximum(strength - np.float32(_STRONG), 0)
    magnitude: F32 = np.where(mask, np.exp(np.float32(-ECHO_TIME) * rate), 0).astype(np.float32)
    return magnitude
