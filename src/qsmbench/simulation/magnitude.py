"""The magnitude of a synthetic sample: the head's own, or what a gradient echo would show of its susceptibility.

    magnitude = M (1 - f) + f exp(-TE (R2*(chi) - R2*(0))),

M the head's, warped as chi is, f the share of a pasted body; times a receive profile, plus noise. For a head that has
none (TE = 20 ms, 3 T; chi in ppm),

    M = (1 + 0.13 w) exp(-TE R2*),   R2* = 20 + 120 |chi| + 200 max(|chi| - 0.5, 0)   (1/s),

w the share of white matter, which a T1-weighted echo (TR 45 ms, 20 degrees) shows 13 % brighter than grey at the values
of `phantom/values.py`. 120/s a ppm is the slope of R2* on susceptibility over the deep nuclei and veins of that table;
320/s, that of static dephasing (Yablonskiy & Haacke 1994, doi 10.1002/mrm.1910320610), holds in bleeds and
calcifications, beyond what venous blood has; they therefore are dark.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qsmbench.core.grid import Grid
from qsmbench.simulation.recipe import MagnitudeImage
from qsmbench.simulation.shapes import Shape, fraction
from qsmbench.simulation.smooth_fields import spline_field
from qsmbench.simulation.warp import Window

F32 = NDArray[np.float32]

ECHO_TIME = 0.020  # s
_WHITE_GAIN = 0.13
_TISSUE_R2STAR, _IRON_SLOPE, _STATIC_SLOPE, _STRONG = 20.0, 120.0, 320.0, 0.5
# Distance in mm over which a receive profile varies: coils are about as wide.
_PROFILE = 80.0


def map_magnitude(chi: F32, mask: NDArray[np.bool_], white: F32 | None = None) -> F32:
    """Return the magnitude (x, y, z) of a gradient echo, zero outside ``mask``.

    Args:
        chi: (x, y, z) ppm.
        mask: (x, y, z) bool.
        white: (x, y, z) share of white matter; by default none is told apart.
    """
    strength = np.abs(np.where(mask, chi, 0).astype(np.float32))
    rate = _TISSUE_R2STAR + _IRON_SLOPE * strength
    rate += (_STATIC_SLOPE - _IRON_SLOPE) * np.maximum(strength - np.float32(_STRONG), 0)
    magnitude: F32 = np.where(mask, np.exp(np.float32(-ECHO_TIME) * rate), 0).astype(np.float32)
    return magnitude if white is None else magnitude * (1 + np.float32(_WHITE_GAIN) * white)


def darken(magnitude: F32, window: Window, shapes: Sequence[Shape]) -> None:
    """Replace tissue by bodies, in order and in place; ``magnitude`` has median 1 in the mask."""
    for shape in shapes:
        placed = fraction(window, shape)
        if placed is not None:
            where, share = placed
            magnitude[where] += share * (np.float32(_body(shape.chi)) - magnitude[where])


def _body(chi: float) -> float:
    here, nothing = (map_magnitude(np.full((1, 1, 1), c, np.float32), np.ones((1, 1, 1), bool)) for c in (chi, 0.0))
    return float(here[0, 0, 0] / nothing[0, 0, 0])


def acquire_magnitude(
    magnitude: F32, mask: NDArray[np.bool_], grid: Grid, spec: MagnitudeImage, rng: np.random.Generator
) -> F32:
    """Return the image of a magnitude: times a smooth receive profile, with Rician noise, zero outside ``mask``."""
    share, snr = (low + (high - low) * float(rng.random()) for low, high in (spec.profile, spec.snr))
    profile = np.exp(np.float32(share) * np.clip(spline_field(grid, _PROFILE, rng), -2, 2))
    real, imaginary = (rng.standard_normal(grid.shape, np.float32) / np.float32(snr) for _ in range(2))
    image: F32 = np.where(mask, np.hypot(magnitude * profile + real, imaginary), 0).astype(np.float32)
    return image
