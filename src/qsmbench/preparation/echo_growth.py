"""Do phase and magnitude go over the echo times as they must?

- Phase: after the fit each echo has a residual in every voxel. Noise has no part in common with the field; an echo
  whose time is another one than said, that is scaled or negated, or that belongs to another place in the order, is off
  by a fixed share of the field in all voxels. So the residuals of each echo are regressed on the field. The slope is a
  time: by how much the echo seems late. This tells what no single voxel shows where the field is small.
- Magnitude: what decays by less than 3/s or more than 150/s on average is no tissue (a head at 3 T: some 20/s), or the
  times are not in seconds.

All ours; thresholds on simulated scans and on a measured one (2 % of a spacing, 0.5 % explained).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qsmbench.core.units import ppm_to_rad
from qsmbench.preparation.echoes import Echoes
from qsmbench.preparation.field_fit import FieldFit

# An echo that is off by more than this share of the mean spacing, where the field explains so much of the residuals.
_LATE, _EXPLAINED = 0.05, 0.02
# Mean decay rates of tissue lie between, 1/s; a slow one shows only over so long a time, s.
_SLOWEST, _FASTEST, _LONG_ENOUGH = 3.0, 150.0, 0.02
# Fewer voxels tell nothing.
_FEWEST = 100


def growth_doubts(echoes: Echoes, fit: FieldFit, mask: NDArray[np.bool_]) -> list[str]:
    """Return what speaks against the echo times inside ``mask`` (x, y, z), one line each."""
    if echoes.n_echoes < 2 or int(mask.sum()) < _FEWEST:
        return []
    return [*_phase(echoes, fit, mask), *_decay(echoes, mask)]


def lateness(echoes: Echoes, fit: FieldFit, mask: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float]:
    """Return by how much each echo seems late (n_echoes,), s, and what share of all residuals that explains."""
    weight = echoes.magnitude[0][mask].astype(np.float64)
    weight /= max(float(weight.max()), np.finfo(np.float64).tiny)
    omega = fit.total_field[mask].astype(np.float64) * ppm_to_rad(1.0, echoes.b0, 1.0)
    # What is linear in space is left out: the correction of bipolar readouts takes it for its own.
    places = np.argwhere(mask).astype(np.float64)
    linear = np.column_stack([np.ones(len(places)), places - places.mean(axis=0)]) * weight[:, None]
    basis, _ = np.linalg.qr(linear)
    rows = []
    for values in (omega, *_residuals(echoes, fit, mask, omega)):
        weighted = values * weight
        rows.append(weighted - basis @ (basis.T @ weighted))
    field, residuals = rows[0], np.array(rows[1:])
    spread, energy = float(field @ field), float(np.sum(residuals**2))
    if not (spread > 0 and energy > 0):
        return np.zeros(echoes.n_echoes), 0.0
    late = residuals @ field / spread
    return late, float(late @ late) * spread / energy


def _residuals(
    echoes: Echoes, fit: FieldFit, mask: NDArray[np.bool_], omega: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    found = []
    for phase, time in zip(echoes.phase, echoes.echo_times, strict=True):
        residual = phase[mask] - fit.offset[mask] - omega * time
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
