"""The unit of a field map, told by its sidecar or the user, and its way to ppm.

Other tools keep fields in Hz, rad/s, tesla or parts per billion. A field in ppm of a head stays below some 10 ppm, at
implants too, and has 0.01 to 0.05 ppm in most of its voxels; other values are no ppm, and are questioned.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qsmbench.core.errors import InputError
from qsmbench.core.units import GAMMA_MHZ_PER_T

UNITS = ("ppm", "ppb", "hz", "rad/s", "t")
# What sidecars call them, without blanks and signs of multiplication, and how many of the unit one is.
_NAMES = {
    "ppm": ("ppm", 1.0),
    "partspermillion": ("ppm", 1.0),
    "ppb": ("ppb", 1.0),
    "partsperbillion": ("ppb", 1.0),
    "hz": ("hz", 1.0),
    "hertz": ("hz", 1.0),
    "1/s": ("hz", 1.0),
    "cycles/s": ("hz", 1.0),
    "khz": ("hz", 1e3),
    "rad/s": ("rad/s", 1.0),
    "rad/sec": ("rad/s", 1.0),
    "radian/s": ("rad/s", 1.0),
    "radians/s": ("rad/s", 1.0),
    "radians/second": ("rad/s", 1.0),
    "rad/second": ("rad/s", 1.0),
    "rads-1": ("rad/s", 1.0),
    "t": ("t", 1.0),
    "tesla": ("t", 1.0),
    "mt": ("t", 1e-3),
    "ut": ("t", 1e-6),
    "microtesla": ("t", 1e-6),
    "nt": ("t", 1e-9),
    "nanotesla": ("t", 1e-9),
    "g": ("t", 1e-4),
    "gauss": ("t", 1e-4),
}
_WRITTEN = str.maketrans({" ": "", "*": "", "^": "", "·": "", "µ": "u", "μ": "u", "⁻": "-", "¹": "1"})
# A local field in ppm is questioned beyond the first (air in tissue makes 9.4 / 3), and where its root mean square in
# the mask is above the second (tissue: 0.01 to 0.05) or below the third, which is less than any noise (ours).
_IMPLAUSIBLE, _LARGE, _SMALL = 10.0, 0.15, 1e-4
# A total field has that of the air around and of the shim too: ten to twenty times as much.
_TOTAL_IMPLAUSIBLE, _TOTAL_LARGE = 100.0, 3.0


def to_ppm(
    field: NDArray[np.float32],
    mask: NDArray[np.bool_],
    name: str,
    *,
    units: str | None,
    stated: str,
    b0: float | None,
    total: bool = False,
) -> tuple[NDArray[np.float32], list[str]]:
    """Return the field in ppm, and what was made of it, one line each.

    Args:
        field: (x, y, z).
        mask: (x, y, z), where values are judged.
        name: of the file.
        units: that the user gives (of `UNITS`), or None.
        stated: Units of the sidecar, empty where there are none.
        b0: main field, T, or None.
        total: whether the background is still in it.

    Raises:
        InputError: an unknown unit, or one that needs a B0 that is not known.
    """
    notes = []
    unit, times = (units, 1.0) if units else _NAMES.get(_plain(stated), (None, 1.0))
    if unit is None and stated.strip():
        raise InputError(
            f"{name}: its sidecar gives its Units as '{stated}', which is no field; give --field-units "
            f"{', '.join(UNITS[:-1])} or {UNITS[-1]}"
        )
    unit = unit or "ppm"
    if unit in ("hz", "rad/s", "t"):
        if b0 is None:
            raise InputError(
                f"{name}: its field is in {unit}, and B0 is not known; give --b0 T, or MagneticFieldStrength in its "
                "sidecar"
            )
        per_ppm = {"hz": GAMMA_MHZ_PER_T * b0, "rad/s": 2 * math.pi * GAMMA_MHZ_PER_T * b0, "t": 1e-6 * b0}[unit]
        notes.append(f"{name}: converted from {unit if times == 1 else stated.strip()} to ppm at {b0:g} T")
    else:
        per_ppm = 1.0 if unit == "ppm" else 1000.0
        if unit == "ppb":
            notes.append(f"{name}: converted from ppb to ppm")
    per_ppm /= times
    if per_ppm != 1.0:
        field = (field / np.float32(per_ppm)).astype(np.float32)
    size = implausible(field, mask, total=total)
    if size:
        notes.append(f"{name}: {size}: is it in ppm? Give --field-units ({', '.join(UNITS)}), or Units in its sidecar")
    return field, notes


def implausible(field: NDArray[np.float32], mask: NDArray[np.bool_], *, total: bool) -> str:
    """What is odd about the size of a field (x, y, z; ppm) in its mask; empty where nothing is."""
    inside = np.abs(field[mask & np.isfinite(field)])
    largest = float(inside.max()) if inside.size else 0.0
    rms = float(np.sqrt(np.mean(inside.astype(np.float64) ** 2))) if inside.size else 0.0
    most, large = (_TOTAL_IMPLAUSIBLE, _TOTAL_LARGE) if total else (_IMPLAUSIBLE, _LARGE)
    if largest <= most and rms <= large and not 0 < rms < _SMALL:
        return ""
    thing = "a head" if total else "tissue"
    return f"a field of up to {largest:.3g} ppm is not one of {thing} (root mean square {rms:.2g})"


def _plain(stated: str) -> str:
    """A unit as `_NAMES` has it.

    >>> _plain("Rad s^-1"), _plain("radians per second"), _plain("µT")
    ('rads-1', 'radians/second', 'ut')
    """
    plain = stated.strip().translate(_WRITTEN).lower()
    return plain.replace("persecond", "/second")
