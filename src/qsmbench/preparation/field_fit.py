"""One field from all echoes: phase(TE) = offset + 2 pi gamma B0 field TE, fitted voxel by voxel.

1. In time: the phase gained between the two echoes nearest in time predicts the echo next to them, which is unwrapped
   towards the prediction; the weighted straight line through the three predicts the fourth, and so on. Weights are the
   squared magnitudes, the inverse variances of the phases (Gudbjartsson & Patz 1995, doi 10.1002/mrm.1910340618).
2. Complex fit: with the magnitudes as measured, the noise of the complex signal is Gaussian where that of the phase is
   not, so minimise

       sum_j m_j^2 | exp(i phase_j) - exp(i (offset + omega TE_j)) |^2 = 2 sum_j m_j^2 (1 - cos delta_j)

   by Fisher scoring: the step of a straight line through sin(delta_j) (Kressler 2010, doi 10.1109/TMI.2009.2023787;
   Liu 2013, doi 10.1002/mrm.24272).
3. In space: omega is known up to 2 pi / (echo spacing); `unwrap` adds what is missing. Where echoes are not equally
   spaced, the shortest gain is unwrapped in space beforehand instead, as a shifted omega would no longer fit.

Echoes far from that pair cannot be predicted by a line through its two noisy points. The phase at TE = 0 then is told
beforehand, offset = phase - TE / spacing (gain unwrapped), smoothed in space as phasors (MCPC-3D-S: Eckstein 2018, doi
10.1002/mrm.26963), and all echoes without it are unwrapped as ROMEO does in time (`romeo.unwrap_in_time`). It is fitted
voxel by voxel all the same, so that offsets of any shape, the poles of combined coils among them, leave no trace in the
field.

Noise of the field (Cramer-Rao bound, reached at high SNR): sd(omega) = sigma / sqrt(sum_j m_j^2 (TE_j - mean TE)^2),
with the weighted mean of TE; sigma, the noise of the real part, comes from the residuals of the fit (three echoes or
more) or from the complex image's third mixed differences (fewer).

A single echo has no offset to fit: its phase, unwrapped, is taken for the field's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray
from scipy.stats import chi2

from qsmbench.core.compiled import compiled
from qsmbench.core.units import ppm_to_rad
from qsmbench.preparation.echoes import Echoes
from qsmbench.preparation.romeo import Guide, unwrap_in_time
from qsmbench.preparation.settings import FieldFitSettings
from qsmbench.preparation.unwrap import unwrap, wrap

# Echo times are stored with about five digits; below this deviation, relative to the spacing, spacings are equal.
_EQUAL_SPACING = 1e-4
# An echo farther than this from the middle of the nearest pair, in its spacings, is not predicted by the pair's line:
# equal spacings have 1.5, and the line's noise grows in proportion (ours).
_FAR = 3.0
# Standard deviation of the Gaussian that smooths the phase at TE = 0, mm (MCPC-3D-S: 10 voxels of some 0.5 to 1 mm).
_SMOOTHING = 5.0
# Median of |x| of a standard normal variable: from the median absolute deviation to the standard deviation.
_MAD_TO_SD = 0.6744897501960817


@dataclass(frozen=True, eq=False)
class FieldFit:
    """What the echoes say.

    Attributes:
        total_field: (x, y, z) float32, ppm, zero outside the mask.
        field_noise: (x, y, z) float32, standard deviation of the field, ppm, zero outside the mask; where no echo has
            signal, the largest value that occurs elsewhere.
        offset: (x, y, z) float32, phase at TE = 0, rad in [-pi, pi], zero outside the mask.
        noise: sigma, in units of the magnitude.
        coherence: (x, y, z) float32, 0 to 1: how alike the phase gained between echoes is in 3x3x3 voxels.
        misfit: (x, y, z) float32, residual of the fit over what noise explains (root of the reduced chi squared), zero
            outside the mask; 1 in it where fewer than three echoes leave nothing to compare.
    """

    total_field: NDArray[np.float32]
    field_noise: NDArray[np.float32]
    offset: NDArray[np.float32]
    noise: float
    coherence: NDArray[np.float32]
    misfit: NDArray[np.float32]


def fit_field(echoes: Echoes, mask: NDArray[np.bool_], settings: FieldFitSettings) -> FieldFit:
    """Fit the total field inside ``mask`` (x, y, z)."""
    times = np.array(echoes.echo_times)
    per_ppm = ppm_to_rad(1.0, echoes.b0, 1.0)
    phase = np.ascontiguousarray(echoes.phase[:, mask])
    magnitude = np.ascontiguousarray(echoes.magnitude[:, mask])
    if echoes.n_echoes == 1:
        spacing = float(times[0])
        unwrapped = unwrap(echoes.phase[0], mask, settings.unwrapping, Guide(echoes.magnitude[0]))
        turn, omega = unwrapped, unwrapped[mask].astype(np.float64) / spacing
        offset = np.zeros_like(omega)
        sigma = noise_of_differences(echoes, mask)
        misfit = np.ones_like(omega)
        information = magnitude[0].astype(np.float64) ** 2 * spacing**2
    else:
        near = int(np.argmin(np.diff(times)))
        spacing = float(times[near + 1] - times[near])
        equal = bool(np.abs(np.diff(times) / spacing - 1).max() < _EQUAL_SPACING)
        # The nearest in time to the pair first; the pair itself in its order.
        order = np.argsort(np.abs(times - times[near : near + 2].mean()).round(9), kind="stable")
        gained = wrap(phase[near + 1] - phase[near])
        if equal:
            order = np.arange(len(times))
        else:
            gained = unwrap(_volume(gained, mask), mask, settings.unwrapping, _guide(echoes, spacing))[mask]
        unwound = phase
        farthest = np.abs(times[order[2:3]] - times[near : near + 2].mean()).max(initial=0.0)
        known = not equal and bool(farthest > _FAR * spacing)
        if known:
            at_zero = _smooth_offset(phase[near] - gained * np.float32(times[near] / spacing), mask, echoes)
            unwound = at_zero + unwrap_in_time(phase - at_zero, magnitude, times, gained, spacing)
        n_steps = settings.max_iterations if settings.model == "complex" else 0
        start = Start(gained / spacing, order, known)
        omega, offset, information, cost = _fit(unwound, magnitude, times, start, n_steps)
        turn = _volume((omega * spacing).astype(np.float32), mask)
        if equal:
            unwrapped = unwrap(turn, mask, settings.unwrapping, _guide(echoes, spacing))[mask] / spacing
            # The offset that goes with the omega found changes with every turn added.
            offset -= (unwrapped - omega) * times[0]
            omega = unwrapped.astype(np.float64)
        n_free = echoes.n_echoes - 2
        if n_free > 0:
            sigma = float(np.sqrt(np.median(cost) / chi2.median(n_free)))
            misfit = np.sqrt(cost / n_free) / sigma if sigma > 0 else np.ones_like(cost)
        else:
            sigma = noise_of_differences(echoes, mask)
            misfit = np.ones_like(cost)
    with np.errstate(divide="ignore"):
        field_noise = sigma / np.sqrt(information) / per_ppm
    finite = np.isfinite(field_noise)
    field_noise[~finite] = field_noise[finite].max() if finite.any() else 0.0
    offset -= 2 * np.pi * np.round(offset / (2 * np.pi))
    return FieldFit(
        _volume((omega / per_ppm).astype(np.float32), mask),
        _volume(field_noise.astype(np.float32), mask),
        _volume(offset.astype(np.float32), mask),
        sigma,
        coherence(turn, mask),
        _volume(misfit.astype(np.float32), mask),
    )


def _guide(echoes: Echoes, spacing: float) -> Guide:
    """What the echoes tell of which neighbours to trust, for a phase gained in ``spacing`` s."""
    magnitude = np.sqrt(np.einsum("exyz,exyz->xyz", echoes.magnitude, echoes.magnitude))
    return Guide(magnitude, echoes.phase[0], spacing / echoes.echo_times[0])


def _smooth_offset(offset: NDArray[np.float32], mask: NDArray[np.bool_], echoes: Echoes) -> NDArray[np.float32]:
    """Smooth a phase (n_voxels,) in space, as phasors weighted by the first echo's signal."""
    sigma = [_SMOOTHING / v for v in echoes.grid.voxel_size]
    phasor = echoes.magnitude[0] * np.exp(1j * _volume(offset, mask)) * mask
    parts = [scipy.ndimage.gaussian_filter(part.astype(np.float32), sigma) for part in (phasor.real, phasor.imag)]
    result: NDArray[np.float32] = np.arctan2(parts[1], parts[0])[mask]
    return result


def noise_of_differences(echoes: Echoes, mask: NDArray[np.bool_]) -> float:
    """Noise of the real part of the first echo, from third mixed differences (one along each axis) inside the mask.

    What is smooth drops out of them; each is a sum of eight noise values. Noise that neighbouring voxels share (after
    interpolation on the scanner) drops out too, so it is then underestimated.
    """
    signal = echoes.magnitude[0] * np.exp(1j * echoes.phase[0])
    n_terms, inside = 1, mask
    for axis in range(3):
        if signal.shape[axis] < 2:
            continue
        low = (slice(None),) * axis + (slice(None, -1),)
        high = (slice(None),) * axis + (slice(1, None),)
        signal, inside, n_terms = signal[high] - signal[low], inside[high] & inside[low], n_terms * 2
    if not inside.any():
        return 0.0
    values = signal[inside]
    return float(np.median(np.abs(np.concatenate([values.real, values.imag])))) / _MAD_TO_SD / float(np.sqrt(n_terms))


def coherence(turn: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """|mean of exp(i turn)| over the 3x3x3 voxels around, those inside the mask; zero outside it."""
    count = _sum27(mask.astype(np.float32))
    real = _sum27(np.where(mask, np.cos(turn), 0).astype(np.float32))
    imaginary = _sum27(np.where(mask, np.sin(turn), 0).astype(np.float32))
    result: NDArray[np.float32] = np.where(mask, np.hypot(real, imaginary) / np.maximum(count, 1), 0)
    return result.astype(np.float32)


def _sum27(volume: NDArray[np.float32]) -> NDArray[np.float32]:
    for axis in range(3):
        low = (slice(None),) * axis + (slice(None, -1),)
        high = (slice(None),) * axis + (slice(1, None),)
        total = volume.copy()
        total[low] += volume[high]
        total[high] += volume[low]
        volume = total
    return volume


def _volume(values: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    volume = np.zeros(mask.shape, np.float32)
    volume[mask] = values
    return volume


class Start(NamedTuple):
    """Where the fit of a voxel starts.

    Attributes:
        omega: (n_voxels,) rad/s.
        order: echoes in the order in which they are unwrapped in time.
        unwound: they are unwrapped already.
    """

    omega: NDArray[np.float32]
    order: NDArray[np.int64]
    unwound: bool


@compiled()
def _fit(
    phase: NDArray[np.float32],
    magnitude: NDArray[np.float32],
    times: NDArray[np.float64],
    start: Start,
    n_steps: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Fit (omega in rad/s, offset in rad) to the columns of phase and magnitude (n_echoes, n_voxels).

    Also returns sum_j m_j^2 (TE_j - mean)^2 and the cost sum_j m_j^2 delta_j^2.
    """
    n_echoes, n_voxels = phase.shape
    omega = np.empty(n_voxels)
    offset = np.empty(n_voxels)
    information = np.empty(n_voxels)
    cost = np.empty(n_voxels)
    weight = np.empty(n_echoes)
    turn = 2.0 * np.pi
    for v in range(n_voxels):
        total = 0.0
        for j in range(n_echoes):
            weight[j] = np.float64(magnitude[j, v]) ** 2
            total += weight[j]
        empty = total == 0.0
        w = np.float64(start.omega[v])
        near = start.order[0]
        first = np.float64(phase[near, v])
        p = first - w * times[near]
        # The straight line, echo by echo.
        s0 = s1 = s2 = q0 = q1 = 0.0
        for n in range(n_echoes):
            j = start.order[n]
            # Echoes without signal say nothing, but where none has any, all count alike.
            g = 1.0 if empty else weight[j]
            u = np.float64(phase[j, v])
            if not start.unwound:
                d = u - p - w * times[j]
                u -= turn * np.round(d / turn)
            t = times[j] - times[near]
            s0 += g
            s1 += g * t
            s2 += g * t * t
            q0 += g * (u - first)
            q1 += g * t * (u - first)
            determinant = s0 * s2 - s1 * s1
            if n > 0 and determinant > 1e-12 * s0 * s2:
                w = (s0 * q1 - s1 * q0) / determinant
                p = first + (s2 * q0 - s1 * q1) / determinant - w * times[near]
        determinant = s0 * s2 - s1 * s1
        if determinant > 1e-12 * s0 * s2:
            for _ in range(n_steps):
                q0 = q1 = 0.0
                for j in range(n_echoes):
                    g = 1.0 if empty else weight[j]
                    d = np.sin(np.float64(phase[j, v]) - p - w * times[j])
                    q0 += g * d
                    q1 += g * (times[j] - times[near]) * d
                dw = (s0 * q1 - s1 * q0) / determinant
                w += dw
                p += (s2 * q0 - s1 * q1) / determinant - dw * times[near]
                if np.abs(dw) * times[-1] < 1e-7:
                    break
        omega[v] = w
        offset[v] = p
        information[v] = 0.0 if empty else determinant / s0
        cost[v] = _cost(phase[:, v], weight, times, w, p)
    return omega, offset, information, cost


@compiled()
def _cost(
    phase: NDArray[np.float32], weight: NDArray[np.float64], times: NDArray[np.float64], w: float, p: float
) -> float:
    total = 0.0
    for j in range(len(times)):
        d = np.float64(phase[j]) - p - w * times[j]
        d -= 2.0 * np.pi * np.round(d / (2.0 * np.pi))
        total += weight[j] * d * d
    return total
