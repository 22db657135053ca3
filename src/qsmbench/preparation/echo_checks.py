"""Do slices and echoes fit together? What is known is put right, what is not is said, with the slices or the share.

- Echoes of one and the same phase, or of a phase that is constant: refused. A magnitude that grows with the echo time
  is one of echoes in another order: said.
- Every second slice negated (known of reconstructions that leave a (-1)^slice in the signal): the phase steps by pi
  between all neighbours along one axis, in the first echo or in what a later one gained since it. Where field and
  offset together turn by pi a slice the same would be seen, and the same correction would only relabel it, so it is
  always made.
- A slice that stands out: the phase (gained since the first echo; the phase itself of a lone echo) steps at a slice by
  a radian more than at its neighbours, or by less where those agree among themselves: said.
- Misfit: with three echoes or more the phases must lie on a line but for noise. The noise of the images themselves
  says by how much (`field_fit.noise_of_differences`); what exceeds it by far is said with its share of the voxels.

All ours; thresholds on simulated scans.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from qsmbench.core.errors import InputError
from qsmbench.core.orientation import Orientation
from qsmbench.core.units import ppm_to_rad
from qsmbench.preparation.echoes import Echoes
from qsmbench.preparation.field_fit import FieldFit, noise_of_differences

# A mean magnitude above this multiple of the echo's before does not decay; fat and water in phase again do less (ours).
_BRIGHTER = 1.05
# Steps this near to pi at this share of all slices: negated ones.
_NEAR_PI, _ALL = 2.3, 0.9
# A step that differs from its neighbours' by more than this many radians is one of the slice and not of the field; or
# by more than the second and so many times their own spread, away from the rim (a measured head has 0.1 there).
_STEP, _SMALL_STEP, _SPREADS = 1.0, 0.4, 10.0
# A step counts where neighbouring slices agree on it: coherence of the voxels' own steps.
_COHERENT = 0.6
# A residual beyond so many standard deviations of the images' noise is no noise, nor is so large a share of them.
_DEVIATIONS, _SHARE = 6.0, 0.05
# Phase errors below this (rad) matter to nobody, however little noise there is.
_SMALL = 0.15


def corrected_slices(echoes: Echoes, orientation: Orientation) -> tuple[Echoes, list[str]]:
    """Undo the negation of every second slice; say what was undone and which slices stand out.

    Args:
        echoes: voxels in the world's order.
        orientation: from the stored order, in which slices are named.
    """
    said: list[str] = []
    for axis in range(3):
        n = echoes.grid.shape[axis]
        if n < 4:
            continue
        stored = orientation.axes[axis]
        negated = _negated(echoes, axis)
        if negated.any():
            odd = (np.arange(n) % 2 == 1).reshape([-1 if a == axis else 1 for a in range(3)])
            phase = echoes.phase + np.float32(np.pi) * (negated[:, None, None, None] & odd)
            phase -= (2 * np.pi * np.round(phase / (2 * np.pi))).astype(np.float32)
            echoes = replace(echoes, phase=phase.astype(np.float32))
            which = "" if negated.all() else f" of echo {', '.join(str(e + 1) for e in np.flatnonzero(negated))}"
            said.append(
                f"{echoes.name}: every second slice along axis {'xyz'[stored]}{which} is negated (its phase is off by "
                "pi): corrected; check that the local field has no stripes"
            )
        odd_ones, named = _jumps(echoes, axis)
        if odd_ones:
            flipped = orientation.flipped[axis]
            slices = sorted({n - 1 - k if flipped else k + 1 for k in odd_ones})
            shown = ", ".join(map(str, slices[:12])) + (", ..." if len(slices) > 12 else "")
            said.append(
                f"{echoes.name}: the phase jumps from slice to slice along axis {'xyz'[stored]} (at slices {shown}, "
                f"counted from 0{named}): the field there is wrong; reconstruct the phase again, or leave these slices "
                "out"
            )
    return echoes, said


def _jumps(echoes: Echoes, axis: int) -> tuple[set[int], str]:
    """Steps along ``axis`` that stand out in any echo, and in which echoes where it is not all that could show it."""
    first = echoes.magnitude[0] * np.exp(1j * echoes.phase[0])
    if echoes.n_echoes == 1:
        return set(_outliers(*_steps(first, axis))), ""
    found: set[int] = set()
    those = []
    for echo in range(1, echoes.n_echoes):
        signal = echoes.magnitude[echo] * np.exp(1j * echoes.phase[echo]) * np.conj(first)
        steps = _outliers(*_steps(signal, axis))
        found |= set(steps)
        those += [str(echo + 1)] if steps else []
    return found, "" if len(those) == echoes.n_echoes - 1 else f", in echo {', '.join(those)}"


def _negated(echoes: Echoes, axis: int) -> NDArray[np.bool_]:
    """Which echoes (n_echoes,) have every second slice along ``axis`` negated."""
    first = echoes.magnitude[0] * np.exp(1j * echoes.phase[0])
    found = np.zeros(echoes.n_echoes, np.bool_)
    for echo in range(echoes.n_echoes):
        signal = first
        if echo > 0:
            # What was gained since the first: a steep offset would hide it, or look like it.
            signal = echoes.magnitude[echo] * np.exp(1j * echoes.phase[echo]) * np.conj(first)
        angle, sure = _steps(signal, axis)
        alternates = sure.sum() >= 3 and np.mean(np.abs(angle[sure]) > _NEAR_PI) >= _ALL
        found[echo] = alternates != found[0] if echo > 0 else alternates
    return found


def check_distinct(echoes: Echoes) -> list[str]:
    """Refuse echoes that cannot be what they are said to be; say where magnitudes are alike or grow.

    Raises:
        InputError: a phase that is constant, or the same as another echo's; a magnitude that is 0.
    """
    for number, phase in enumerate(echoes.phase, start=1):
        if phase.size > 1 and float(phase.min()) == float(phase.max()):
            raise InputError(
                f"{echoes.name}: the phase of echo {number} is {phase.min():g} everywhere; check the file of that echo"
            )
        if not echoes.magnitude[number - 1].any():
            raise InputError(
                f"{echoes.name}: the magnitude of echo {number} is 0 everywhere; check the file of that echo, or leave "
                "the echo out"
            )
        for other in range(number - 1):
            if np.array_equal(phase, echoes.phase[other]):
                raise InputError(
                    f"{echoes.name}: echoes {other + 1} and {number} have the same phase in every voxel; check that "
                    "each file is given once"
                )
    first = echoes.magnitude[0]
    bright = first > 0.5 * float(np.percentile(first, 95))
    means = [float(m[bright].mean(dtype=np.float64)) for m in echoes.magnitude]
    brighter = [n for n, (a, b) in enumerate(pairwise(means), start=2) if b > _BRIGHTER * a]
    if not brighter:
        return _same_magnitudes(echoes)
    shown = ", ".join(f"{m:.3g}" for m in means)
    which = ", ".join(map(str, brighter))
    return [
        f"{echoes.name}: the magnitude grows at echo {which} (means {shown}), where it should decay with the echo "
        "time: are the echoes in another order than their times?"
    ]


def _same_magnitudes(echoes: Echoes) -> list[str]:
    for number in range(1, echoes.n_echoes):
        if np.array_equal(echoes.magnitude[number], echoes.magnitude[number - 1]):
            return [
                f"{echoes.name}: echoes {number} and {number + 1} have the same magnitude in every voxel: weights and "
                "R2* are those of one echo; check that each magnitude is given once"
            ]
    return []


def misfit(echoes: Echoes, fit: FieldFit, mask: NDArray[np.bool_]) -> list[str]:
    """Say what share of the mask's voxels have phases that lie on no line, beyond what noise explains."""
    if echoes.n_echoes < 3:
        return []
    sigma = noise_of_differences(echoes, mask)
    per_ppm = ppm_to_rad(1.0, echoes.b0, 1.0)
    omega, offset = fit.total_field[mask] * per_ppm, fit.offset[mask]
    cost = np.zeros(omega.shape)
    weight = np.zeros(omega.shape)
    for magnitude, phase, time in zip(echoes.magnitude, echoes.phase, echoes.echo_times, strict=True):
        m = magnitude[mask].astype(np.float64)
        residual = phase[mask] - offset - omega * time
        residual -= 2 * np.pi * np.round(residual / (2 * np.pi))
        cost += (m * residual) ** 2
        weight += m**2
    free = echoes.n_echoes - 2
    # As an angle, weighted by the signal; and against the noise that the images have.
    angle = np.sqrt(cost / np.maximum(weight, np.finfo(float).tiny))
    bad = (cost > free * (_DEVIATIONS * sigma) ** 2) & (angle > _SMALL)
    share = float(bad.mean())
    if share <= _SHARE:
        return []
    return [
        f"{echoes.name}: the echoes do not fit together: in {100 * share:.0f} % of the mask's voxels the phase lies on "
        f"no line over echo times, by {float(np.median(angle[bad])):.2f} rad beyond noise; check the order of echoes, "
        "their times, and whether the readout was bipolar"
    ]


def _steps(signal: NDArray[np.complex64], axis: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Angle by which each slice along ``axis`` is ahead of the one before, and where voxels agree on it."""
    low = (slice(None),) * axis + (slice(None, -1),)
    high = (slice(None),) * axis + (slice(1, None),)
    # Products of large magnitudes, in any unit, would overflow.
    signal = signal / max(float(np.abs(signal).max()), float(np.finfo(np.float32).tiny))
    product = signal[high] * np.conj(signal[low])
    others = tuple(a for a in range(3) if a != axis)
    total = product.sum(axis=others, dtype=np.complex128)
    length = np.abs(product).sum(axis=others, dtype=np.float64)
    # Slices of air say nothing.
    sure = (np.abs(total) > _COHERENT * length) & (length > 0.01 * length.max())
    return np.angle(total), np.asarray(sure, np.bool_)


def _outliers(angle: NDArray[np.float64], sure: NDArray[np.bool_]) -> list[int]:
    """Steps that differ from the median of the (up to four) sure ones around them."""
    found = []
    for k in np.flatnonzero(sure).tolist():
        near = [j for j in range(max(0, k - 3), min(len(angle), k + 4)) if j != k and sure[j]]
        if len(near) < 3:
            continue
        # About the step itself, so that no wrap lies between.
        others = np.angle(np.exp(1j * (angle[near] - angle[k])))
        middle = float(np.median(others))
        spread = float(np.median(np.abs(others - middle)))
        inner = min(sum(j < k for j in near), sum(j > k for j in near)) >= 2
        if abs(middle) > _STEP or (inner and abs(middle) > max(_SMALL_STEP, _SPREADS * spread)):
            found.append(k)
    return found
