"""Do phase and magnitude go over the echo times as they must?

- Phase: after the fit each echo has a residual in every voxel. Noise has no part in common with the field; an echo
  whose time is another one than said, that is scaled or negated, or that belongs to another place in the order, is off
  by a fixed share of the field in all voxels. So the residuals of each echo are regressed on the field. The slope is a
  time: by how much the echo seems late. This tells what no single voxel shows where the field is small.
- Magnitude: what decays by less than 3/s or more than 150/s on average is no tissue (a head at 3 T: some 20/s), or the
  times are not in seconds.

All ours; thresholds on simulated scans, one with a hemorrhage, and on a measured one: at most 1.2 % of a spacing late,
0.1 % explained; a last echo that is late by a fifth of a spacing makes 12 and 44 %.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qsmbench.core.units import ppm_to_rad
from qsmbench.preparation.echoes import Echoes
from qsmbench.preparation.field_fit import FieldFit

# An echo that is off by more than this share of the mean spacing, where the field explains so much of the residuals.
_LATE, _EXPLAINED = 0.04, 0.01
# Voxels whose field is beyond so many times the median (lesions, rims) tell of themselves and not of the times.
_UNUSUAL = 6.0
# Mean decay rates of tissue lie between, 1/s; a slow one shows only over so long a time, s.
_SLOWEST, _FASTEST, _LONG_ENOUGH = 3.0, 150.0, 0.02
# Fewer voxels tell nothing, and more than these no more.
_FEWEST, _ENOUGH = 100, 300_000


def growth_doubts(echoes: Echoes, fit: FieldFit, mask: NDArray[np.bool_]) -> list[str]:
    """Return what speaks against the echo times inside ``mask`` (x, y, z), one line each."""
    if echoes.n_echoes < 2 or int(mask.sum()) < _FEWEST:
        return []
    return [*_phase(echoes, fit, mask), *_decay(echoes, mask)]


def lateness(echoes: Echoes, fit: FieldFit, mask: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float]:
    """Return by how much each echo seems late (n_echoes,), s, and what share of all residuals that explains."""
    # What has lost its signal by a late echo (blood, air nearby) has no straight phase, and the strongest field.
    places = np.argwhere(mask)
    places = places[:: 1 + len(places) // _ENOUGH]
    at = tuple(places.T)
    weight = echoes.magnitude.min(axis=0)[at].astype(np.float64)
    weight /= max(float(weight.max()), np.finfo(np.float64).tiny)
    omega = fit.total_field[at].astype(np.float64) * ppm_to_rad(1.0, echoes.b0, 1.0)
    # What is linear in space is left out: the correction of bipolar readouts takes it for its own.
    linear = np.column_stack([np.ones(len(places)), places - places.mean(axis=0)])
    basis, _ = np.linalg.qr(linear * weight[:, None])
    rest = np.abs(omega * weight - basis @ (basis.T @ (omega * weight))) / np.maximum(weight, 1e-3)
    usual = rest <= _UNUSUAL * float(np.median(rest))
    weight = weight[usual]
    basis, _ = np.linalg.qr(linear[usual] * weight[:, None])
    rows = []
    for values in (omega, *_residuals(echoes, fit, at, omega)):
        weighted = values[usual] * weight
        rows.append(weighted - basis @ (basis.T @ weighted))
    field, residuals = rows[0], np.array(rows[1:])
    spread, energy = float(field @ field), float(np.sum(residuals**2))
    if not (spread > 0 and energy > 0):
        return np.zeros(echoes.n_echoes), 0.0
    late = residuals @ field / spread
    return late, float(late @ late) * spread / energy


def _residuals(
    echoes: Echoes, fit: FieldFit, at: tuple[NDArray[np.int64], ...], omega: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    found = []
    for phase, time in zip(echoes.phase, echoes.echo_times, strict=True):
        residual = phase[at] - fit.offset[at] - omega * time
        found.append(residual - 2 * np.pi * np.round(residual / (2 * np.pi)))
    return found


def _phase(echoes: Echoes, fit: FieldFit, mask: NDArray[np.bool_]) -> list[str]:
    if echoes.n_echoes < 3:
        return []
    late, explained = lateness(echoes, fit, mask)
    spacing = (echoes.echo_times[-1] - echoes.echo_times[0]) / (echoes.n_echoes - 1)
    if float(np.abs(late).max()) <= _LATE * spacing or explained <= _EXPLAINED:
        return []
    shown = ", ".join(f"{1000 * t:+.2g}" for t in late)
    return [
        f"{echoes.name}: the phase does not grow with the echo times as given: against the field the echoes seem late "
        f"by {shown} ms; check echo times, the order of the phase files, and that no echo is negated or scaled alone"
    ]


def _decay(echoes: Echoes, mask: NDArray[np.bool_]) -> list[str]:
    first, last = (float(m[mask].mean(dtype=np.float64)) for m in (echoes.magnitude[0], echoes.magnitude[-1]))
    passed = echoes.echo_times[-1] - echoes.echo_times[0]
    if not (first > 0 and last > 0):
        return []
    rate = float(np.log(first / last)) / passed
    if rate <= _FASTEST and (rate >= _SLOWEST or passed < _LONG_ENOUGH):
        return []
    return [
        f"{echoes.name}: from {echoes.echo_times[0]:g} to {echoes.echo_times[-1]:g} s the magnitude decays by "
        f"{rate:.3g}/s on average, and tissue by some {_SLOWEST:g} to {_FASTEST:g}/s: are the echo times in seconds, "
        "and the magnitudes those of these echoes?"
    ]
