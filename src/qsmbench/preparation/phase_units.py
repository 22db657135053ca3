"""What the stored numbers of a phase image mean: radians, a scanner's integers, or any linear scale.

Scanners store phase as integers (Siemens 0..4095 or, rescaled, -4096..4094; GE and Philips in thousandths of a radian
or other steps) and converters rescale them or not. Noise around the head, or wraps in it, make the phase fill its whole
period, so its range over all echoes tells the scale.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qsmbench.core.errors import InputError

# Rounding of pi in integers or in single precision; and how little of the period may be missing before we say so.
_SLACK = 1.003
_FULL = 0.9
# Integers up to 4096 are told from thousandths of a radian (3142).
_FULLER = 0.95


def to_radians(stored: NDArray[np.float32], units: str, name: str) -> tuple[NDArray[np.float32], str]:
    """Return the phase in rad and one sentence on how it was scaled.

    Args:
        stored: (n_echoes, x, y, z), all echoes of one acquisition, scaled alike.
        units: rad (the user or a sidecar says so) or auto.
        name: how messages call the acquisition.

    Raises:
        InputError: constant phase, or radians that cannot be.
    """
    low, high = float(stored.min()), float(stored.max())
    shown = f"{low:.6g} to {high:.6g}"
    if not high > low:
        raise InputError(f"{name}: the phase is {low:g} everywhere; check which files hold the phase")
    if units == "rad":
        # An unwrapped phase goes far beyond pi, but a head's not beyond a hundred turns.
        if high - low > 200 * np.pi:
            raise InputError(
                f"{name}: the phase is said to be in rad, but goes from {shown}; correct Units or the scale"
            )
        return stored, f"taken as radians ({shown})"
    pi = np.pi * _SLACK
    if -pi <= low and high <= pi and max(-low, high) > np.pi / 3:
        return stored, f"radians by their range ({shown})"
    if low >= 0 and 1.5 * np.pi < high <= 2 * pi:
        return stored, f"radians by their range ({shown})"
    whole = bool((stored == np.rint(stored)).all())
    if whole and low >= 0 and _FULLER * 4096 < high <= 4096:
        scale, zero, what = np.pi / 2048, 2048.0, "integers of 0 to 4095"
    elif whole and low < 0 and _FULLER * 4096 < max(-low, high) <= 4096:
        scale, zero, what = np.pi / 4096, 0.0, "integers of -4096 to 4096"
    elif low < 0:
        scale, zero, what = np.pi / max(-low, high), 0.0, f"a linear scale, {max(-low, high):.6g} being pi"
        if min(-low, high) < _FULL * max(-low, high):
            what += "; the range is lopsided, so check the scale"
    else:
        scale, zero, what = 2 * np.pi / (high - low), (high + low) / 2, f"a linear scale, {high - low:.6g} being 2 pi"
    scaled = ((stored - np.float32(zero)) * np.float32(scale)).astype(np.float32)
    return scaled, f"rescaled from {what} ({shown})"
