"""Radians for the methods whose data term is a complex exponential: phase = 2 pi gamma B0 field dTE."""

from __future__ import annotations

from typing import Any

from qsmbench.core.scan import Scan
from qsmbench.core.units import ppm_to_rad
from qsmbench.methods.contract import parameter
from qsmbench.methods.notes import note

# What a local field alone is taken to come from: a common 3 T protocol.
DEFAULT_B0 = 3.0
DEFAULT_ECHO_SPACING = 0.007


def echo_spacing_parameter() -> Any:
    """The option ``echo_spacing`` of these methods."""
    return parameter(
        None, "dTE, s; by default the scan's spacing (or single echo time), else 7 ms; B0 is 3 T if unknown", above=0
    )


def radians_per_ppm(scan: Scan, echo_spacing: float | None) -> float:
    """Phase, rad, that a field of 1 ppm gains in one echo spacing.

    Args:
        scan: gives B0 (3 T where unknown) and, where ``echo_spacing`` is None, the time between its first two echoes,
            its single echo time, or 7 ms.
        echo_spacing: s, or None.
    """
    if scan.b0 is None:
        note(f"the main field is not known: {DEFAULT_B0:g} T assumed")
    if echo_spacing is None:
        times = scan.echo_times
        if not times:
            note(f"echo times are not known: an echo spacing of {1000 * DEFAULT_ECHO_SPACING:g} ms assumed")
        echo_spacing = abs(times[1] - times[0]) if len(times) > 1 else (*times, DEFAULT_ECHO_SPACING)[0]
    return ppm_to_rad(1.0, scan.b0 or DEFAULT_B0, echo_spacing)
