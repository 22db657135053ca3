"""What the stored numbers of a phase image mean: radians, a scanner's integers, or any linear scale.

Scanners store phase as integers (Siemens 0..4095 or, rescaled, -4096..4094; GE and Philips in thousandths of a radian
or other steps) and converters rescale them or not. What tells the scale is a wrap (`phase_range`): where neighbours lie
at opposite ends of the range, the ends are one and the same angle and the range is a whole turn. Noise around the head
makes such pairs, and so do wraps in it. A range without them (a masked image of a short echo, an unwrapped one) is
filled by an unknown part of a turn: then a sidecar, a header or the user must say the scale, or the scan is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qsmbench.core.errors import InputError
from qsmbench.preparation.phase_range import Range, measure

TURN = 2 * np.pi
# Turns in use. Integers: -4096..4096, 0..4095, thousandths of a radian. Else: radians, -1..1, degrees.
_INTEGER_TURNS = (8192.0, 4096.0, 1000 * TURN)
_TURNS = (TURN, 2.0, 360.0)
# The range may miss so much of a turn in use, or exceed it, and still be one; 3142 is no 4096 of course.
_SHORT, _LONG = 0.95, 1.003
# Degrees and -1..1 may be another scale that happens to be near.
_NEAR = 0.99
# A range that wraps and is stated to be a turn more or less than this is stated wrongly.
_NO_TURN = 0.1
# What stays within this of 0 (rad) fills so little of a turn that it may be in another unit.
_LITTLE = np.pi / 3
# An unwrapped phase goes far beyond pi, but a head's not beyond a hundred turns.
_MOST_TURNS = 100
_REMEDY = (
    "say what it is with --phase-scale rad, deg, pi/4096 (or any number of radians a stored unit); see "
    "docs/preparation.md"
)
_NUMBER = r"\d*\.?\d+(?:[eE][-+]?\d+)?"


@dataclass(frozen=True, eq=False)
class Radians:
    """A phase in radians, and how it came to be.

    Attributes:
        phase: (n_echoes, x, y, z) float32, rad; padding is 0.
        scaling: one sentence for log and sidecar.
        warnings: what the user should check, one line each.
    """

    phase: NDArray[np.float32]
    scaling: str
    warnings: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Declared:
    """What files say of their phase: the sidecar's Units and Manufacturer, the header's slope and intercept."""

    units: str = ""
    manufacturer: str = ""
    slope: float = 1.0
    intercept: float = 0.0


NOTHING = Declared()


def parse_scale(text: str) -> float:
    """Return radians a stored unit from rad, deg, a number, or pi over or times one.

    Raises:
        InputError: anything else, or no positive number.

    >>> parse_scale("rad"), parse_scale("pi/4096") == np.pi / 4096, parse_scale("0.001")
    (1.0, True, 0.001)
    """
    plain = text.strip().lower().replace(" ", "")
    if plain in _RAD:
        return 1.0
    if plain in _DEG:
        return float(np.pi / 180)
    match = re.fullmatch(rf"(?:({_NUMBER})\*?)?pi(?:/({_NUMBER}))?|({_NUMBER})", plain)
    if match is None:
        raise InputError(f"--phase-scale '{text}' is no scale; give rad, deg, pi/4096 or radians a stored unit")
    factor, divisor, number = match.groups()
    if number is not None:
        scale = float(number)
    else:
        scale = float(factor or 1) * np.pi / float(divisor or 1) if float(divisor or 1) > 0 else 0.0
    if not 0 < scale < 1e12:
        raise InputError(f"--phase-scale must be a positive number of radians a stored unit, got '{text}'")
    return float(scale)


def to_radians(
    stored: NDArray[np.float32],
    name: str,
    scale: str | None = None,
    declared: Declared = NOTHING,
    magnitude: NDArray[np.float32] | None = None,
) -> Radians:
    """Return the phase in rad.

    Args:
        stored: (n_echoes, x, y, z), all echoes of one acquisition, scaled alike.
        name: how messages call the acquisition.
        scale: what the user says (`parse_scale`); it goes before everything else.
        declared: what the files say.
        magnitude: (n_echoes, x, y, z), any unit: which neighbours are alike.

    Raises:
        InputError: constant phase, a scale that cannot be, or one that nothing tells.
    """
    if not float(stored.max()) > float(stored.min()):
        raise InputError(f"{name}: the phase is {stored.min():g} everywhere; check which files hold the phase")
    found = measure(stored, magnitude)
    padding, low, high = found.padding, found.low, found.high
    shown = f"{low:.6g} to {high:.6g}"
    warnings = []
    if padding is not None:
        values = ", ".join(f"{v:g}" for v in np.unique(stored[padding])[:4])
        warnings.append(f"{name}: {100 * padding.mean():.3g} % of the phase is padding ({values}) and taken as 0")
    if scale is not None:
        factor, zero, said = parse_scale(scale), 0.0, f"scaled as the user says, {scale} ({shown})"
        if factor * (high - low) > _MOST_TURNS * TURN:
            raise InputError(
                f"{name}: --phase-scale {scale} makes {factor * (high - low) / TURN:.3g} turns of a phase from "
                f"{shown}; it is radians a stored unit: did you mean pi/{scale}?"
            )
        turns = factor * (high - low) / TURN
        if found.wraps and found.dense and abs(turns - 1) > _NO_TURN:
            warnings.append(
                f"{name}: the phase wraps from {low:.6g} to {high:.6g}, which should be a turn; --phase-scale {scale} "
                f"makes {turns:.3g} turns of it: is the scale right?"
            )
    else:
        factor, zero, said, doubts = _find(stored, found, name, declared)
        warnings += [f"{name}: {doubt}" for doubt in doubts]
    phase = stored if factor == 1.0 and zero == 0.0 else ((stored - np.float32(zero)) * np.float32(factor))
    if padding is not None:
        phase = np.where(padding, np.float32(0), phase)
    return Radians(phase.astype(np.float32, copy=False), said, tuple(warnings))


_RAD = ("rad", "radian", "radians")
_DEG = ("deg", "degree", "degrees", "°")


def _find(
    stored: NDArray[np.float32], found: Range, name: str, declared: Declared
) -> tuple[float, float, str, list[str]]:
    """Radians a unit, the value that is 0, what is said of them, and doubts."""
    low, high = found.low, found.high
    width, shown = high - low, f"{low:.6g} to {high:.6g}"
    wraps = found.wraps
    units = declared.units.strip().lower()
    if units in _DEG or units in _RAD:
        return _declared(stored, found, name, "rad" if units in _RAD else "degrees")
    # dcm2niix keeps a scanner's slope and intercept: what 0..4095 become is then the range of a whole turn.
    slope, middle = declared.slope, declared.intercept + 2048 * declared.slope
    steps = 4096 * abs(slope)
    if abs(steps - TURN) < 0.003 * TURN and width <= _LONG * TURN and (abs(middle) <= 0.01 or low >= 0):
        return 1.0, 0.0, f"radians by its header and their range ({shown})", []
    if slope not in (0.0, 1.0) and abs(middle) <= 1.01 * abs(slope) and width <= 4097 * abs(slope):
        return (
            TURN / (4096 * abs(slope)),
            0.0,
            f"rescaled from 4096 steps of {slope:g} a turn, as its header says ({shown})",
            [],
        )
    whole = bool((stored == np.rint(stored)).all())
    if found.apart:
        which = ", ".join(map(str, found.apart))
        raise InputError(
            f"{name}: the phase goes from {shown}, but echo {which} wraps within less of it: echoes are scaled "
            "differently; bring them to one scale, or to radians"
        )
    if wraps:
        known = (
            [(t, _SHORT) for t in _INTEGER_TURNS] if whole else [(t, _SHORT if t == TURN else _NEAR) for t in _TURNS]
        )
        exact = next((t for t, least in known if least * t <= width <= _LONG * t), None)
        if exact is not None or found.dense:
            factor, zero, said, doubts = _by_turn(low, high, exact, shown)
            if found.stretched:
                which = ", ".join(map(str, found.stretched))
                doubts.append(
                    f"echo {which} reaches the ends of the range ({shown}) without a wrap: were echoes scaled one by "
                    "one? Give the phase as it was reconstructed"
                )
            return factor, zero, said, doubts
    maker = declared.manufacturer.lower()
    if whole and "siemens" in maker and max(-low, high) <= 4096:
        zero, turn = (2048.0, 4096.0) if low >= 0 else (0.0, 8192.0)
        # Neither the steps nor, where nothing is negative, the zero is told by the numbers.
        doubt = (
            f"the phase ({shown}) does not fill its range and is taken for integers of Siemens, {turn:g} a turn about "
            f"{zero:g}, by its maker; if it is not, say so with --phase-scale"
        )
        return TURN / turn, zero, f"rescaled from integers of Siemens, {turn:g} a turn ({shown})", [doubt]
    fits = not whole and ((-low <= np.pi * _LONG and high <= np.pi * _LONG) or (low >= 0 and high <= TURN * _LONG))
    if fits and max(-low, high) > _LITTLE:
        doubt = (
            f"the phase ({shown}) fills no whole turn and is taken for radians; if it is not, say so with --phase-scale"
        )
        return 1.0, 0.0, f"radians by their range ({shown})", [doubt]
    raise InputError(
        f"{name}: the phase goes from {shown} without a wrap from end to end, so nothing tells its scale (a scale in "
        f"use that is not filled, or already unwrapped?); {_REMEDY}"
    )


def _declared(stored: NDArray[np.float32], found: Range, name: str, what: str) -> tuple[float, float, str, list[str]]:
    """A phase that its sidecar says to be in rad or in degrees: taken for it, unless the numbers say otherwise."""
    low, high = found.low, found.high
    width, shown, turn = high - low, f"{low:.6g} to {high:.6g}", TURN if what == "rad" else 360.0
    said = f"{name}: the phase is said to be in {what}, but"
    if width > _MOST_TURNS * turn:
        raise InputError(f"{said} goes from {shown}; {_REMEDY}")
    if found.wraps and not _SHORT * turn < width < 1.05 * turn:
        raise InputError(f"{said} wraps from {low:.6g} to {high:.6g}, which is no turn of {turn:.6g}; {_REMEDY}")
    if what == "degrees":
        if width <= _LONG * TURN:
            raise InputError(f"{said} goes from {shown} only, as radians do; {_REMEDY}")
        return float(np.pi / 180), 0.0, f"rescaled from degrees, as its sidecar says ({shown})", []
    if max(-low, high) > np.pi * _LONG and bool((stored == np.rint(stored)).all()):
        raise InputError(f"{said} holds whole numbers from {shown}; {_REMEDY}")
    doubts = []
    if not found.wraps and width > _LONG * TURN:
        doubts.append(
            f"the phase ({shown}) goes beyond a turn without a wrap and is taken for unwrapped radians, as its sidecar "
            "says; if it is not, say so with --phase-scale"
        )
    if not found.wraps and max(-low, high) <= _LITTLE:
        doubts.append(
            f"the phase ({shown}) fills little of a turn and is taken for radians, as its sidecar says; if 1 stands "
            "for pi or for a turn, say so with --phase-scale pi or 2*pi"
        )
    return 1.0, 0.0, f"taken as radians ({shown})", doubts


def _by_turn(low: float, high: float, exact: float | None, shown: str) -> tuple[float, float, str, list[str]]:
    """A phase whose range is one turn: radians as they are, else scaled about its zero."""
    if exact == TURN:
        return 1.0, 0.0, f"radians by their range ({shown})", []
    signed, turn = low < 0, exact or high - low
    if exact == 8192.0 and signed:
        what, zero = "integers of -4096 to 4096", 0.0
    elif exact == 4096.0 and not signed:
        what, zero = "integers of 0 to 4095", 2048.0
    elif signed and min(-low, high) >= 0.9 * max(-low, high):
        half = (exact or 2 * max(-low, high)) / 2
        turn, what, zero = 2 * half, f"a linear scale, {half:.6g} being pi", 0.0
    else:
        what, zero = f"a linear scale, {turn:.6g} being 2 pi", (low + high) / 2
    doubts = []
    if signed and min(-low, high) < 0.9 * max(-low, high):
        what += "; the range is lopsided, so check the scale"
        doubts.append(f"the phase goes from {shown}, which is lopsided; check its scale, or give it as --phase-scale")
    return TURN / turn, zero, f"rescaled from {what} ({shown})", doubts
