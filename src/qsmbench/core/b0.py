"""Is a number the field strength of a scanner, in tesla?"""

from __future__ import annotations

from qsmbench.core.errors import InputError
from qsmbench.core.units import GAMMA_MHZ_PER_T

# No magnet for people is stronger, T; and those that most have.
_STRONGEST, _COMMON = 25.0, (0.55, 1.5, 2.89, 3.0, 4.7, 7.0, 9.4, 11.7)


def check_b0(b0: float, name: str) -> None:
    """Raise InputError for a main field (T) that no scanner has."""
    if 0 < b0 < _STRONGEST:
        return
    # What else people call a scanner by: its field in gauss or mT, its frequency in MHz or Hz.
    meant = {
        "gauss": 1e-4 * b0,
        "mT": 1e-3 * b0,
        "MHz of protons": b0 / GAMMA_MHZ_PER_T,
        "Hz": 1e-6 * b0 / GAMMA_MHZ_PER_T,
    }
    likely = [f"{b0:g} {unit} is {t:.4g} T" for unit, t in meant.items() if any(abs(t - c) < 0.05 * c for c in _COMMON)]
    hint = f" ({likely[0]})" if likely else ""
    raise InputError(f"{name}: B0 must be a field strength in tesla, got {b0:g}{hint}")


def b0_doubts(given: float, stated: float | None, name: str) -> list[str]:
    """Say that a main field (T) as given is not what a sidecar states, if it states one; makers round."""
    if stated is None or abs(stated - given) <= 0.1 * abs(given):
        return []
    return [f"{name}: B0 is {stated:g} T by its sidecar and {given:g} T as given, which is used"]
