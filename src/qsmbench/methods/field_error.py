"""What no susceptibility explains in a scan's field, and the susceptibility seen through it: spectra, from the scan.

Where |D| is small, the field of any susceptibility is small, too: what a field holds there is error, of whatever origin
(noise, background that is left, anisotropy, motion), but for what the cut at the mask's edge brings there from
elsewhere. That is explained by a first map and taken off:

    chi_1 = F^-1[ D S / (D^2 S + E) F[f] ]              a Wiener map from spectra S of chi and E of the error
    r     = f - d * m chi_1                             what it leaves, inside the mask m
    E(k)  = mean |F w r|^2 / |w|^2  over |D| < 0.04     shell by shell, w the window
    S(k)  = (mean |F w f|^2 / |w|^2 - E(k)) / mean D^2  over |D| > 0.15

starting from the cone of f itself, two times. Spectra count as white noise would that is as strong at that frequency.
The error of measured fields is larger the lower the frequency, and no smaller in the cone than outside it, so that the
cone stands for the whole of k-space; the noise of single voxels (`field_loss.noise_level`) is a fraction of it.

Weights of a regularization follow from both at the frequencies at which a brain's signal meets the error of its field:

    level     the square root of E's mean from 0.14 to 0.45 /mm, ppm
    relative  level over the square root of S's mean from 0.14 to 0.22 /mm: noise to signal, dimensionless
    density   level times the square root of a voxel's volume: the same on coarse voxels as on fine ones

For one and the same signal the weight of total variation that suits best grows with the error to the power of 1.5,
that of a squared gradient too; the first must double where both double, the second must not. Hence

    alpha = 0.17 density relative^0.5       lambda = relative^1.5

whose factors and powers were chosen on simulated fields with errors as measured ones have them (docs/methods.md).
All volumes count under a window that falls to zero at the mask's rim: errors are largest there, and a soft edge brings
less of the signal into the cone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from qsmbench.core.grid import Shape, Triple
from qsmbench.core.scan import Scan
from qsmbench.methods.contract import parameter
from qsmbench.methods.fast_box import FastBox, fast_box
from qsmbench.methods.spectra import OUTSIDE, Shells, Spectrum, shell_power
from qsmbench.physics.fourier import irfftn, rfftn

PADDING = 1.25
PASSES = 2
# mm over which the window falls.
TAPER = 5.0
ERROR_BAND = (0.14, 0.45)
SIGNAL_BAND = (0.14, 0.22)
# A shell with fewer samples in the narrow cone takes those of the wider one.
_ENOUGH = 40
# ppm: what float32 fields can tell from zero.
_LEAST = 1e-6


@dataclass(frozen=True, eq=False)
class FieldError:
    """The error of a scan's field and the susceptibility it is seen through, as spectra.

    Attributes:
        error: E, ppm^2 a voxel.
        signal: S, ppm^2 a voxel.
        voxel_volume: mm^3.
    """

    error: Spectrum
    signal: Spectrum
    voxel_volume: float

    @property
    def level(self) -> float:
        """SD of the white noise that is as strong as the error in the middle of its frequencies, ppm."""
        return _band(self.error, ERROR_BAND)

    @property
    def relative(self) -> float:
        """Noise to signal."""
        return self.level / _band(self.signal, SIGNAL_BAND)

    @property
    def density(self) -> float:
        """The level times the root of the voxel's volume, ppm mm^1.5."""
        return self.level * float(np.sqrt(self.voxel_volume))

    @property
    def note(self) -> str:
        """One line for a reconstruction's notes."""
        return f"error of the field, estimated from the scan: as white noise of {1e3 * self.level:.3g} ppb"


def field_error(scan: Scan) -> FieldError:
    """Estimate from the local field and the mask alone; a field of zeros has the least level, 1e-6 ppm."""
    work = fast_box(scan, PADDING)
    field, mask, kernel = work.scan.local_field, work.scan.mask, work.kernel
    window = _window(mask, work.scan.grid.voxel_size)
    spectrum = rfftn(field, work.padded)
    whole = _shells(work, field, window, kernel)
    found = _estimate(work, whole, whole)
    for _ in range(PASSES):
        chi = irfftn(spectrum * _wiener(work, found, kernel), work.padded, field.shape).mul_(mask)
        explained = irfftn(rfftn(chi, work.padded).mul_(kernel), work.padded, field.shape)
        found = _estimate(work, whole, _shells(work, torch.sub(field, explained), window, kernel))
    return found


def rule_factor_parameter() -> Any:
    """The field of a method's dataclass that every rule's factor is: what a tuning of the rule sweeps."""
    return parameter(1.0, "factor on what is chosen from the error of the field", above=0)


def chosen_by_error(
    scan: Scan,
    rule: Callable[[FieldError], float],
    name: str,
    unit: str = "",
    *,
    given: float | None,
    preset: str,
    paper: float,
    factor: float = 1.0,
) -> tuple[float, tuple[str, ...]]:
    """Settle a parameter: as given, else as the paper has it, else by the error of the scan's field.

    Args:
        scan: what the error is estimated from, where it is needed.
        rule: from the error to the parameter.
        name: of the parameter, for the note.
        unit: of it.
        given: by the user; None where he leaves it open.
        preset: "paper", or "auto" for the value by the error.
        paper: the value of the preset "paper".
        factor: on what the rule chooses.

    Returns:
        The value, and what to say of it.
    """
    if given is not None:
        return given, ()
    if preset == "paper":
        return paper, ()
    error = field_error(scan)
    value = factor * rule(error)
    return value, (error.note, f"{name} chosen by it: {value:.3g} {unit}".rstrip())


def tv_weight(error: FieldError) -> float:
    """Weight of total variation, ppm mm, beside half of the squared residual: alpha above."""
    return 0.17 * error.density * float(error.relative**0.5)


def l2_weight(error: FieldError) -> float:
    """Weight of the squared gradient, mm^2, beside the squared residual: lambda above."""
    return float(error.relative**1.5)


def noise_to_signal(found: FieldError, shape: Shape, voxel_size: Triple) -> torch.Tensor:
    """E / S on the half spectrum (X, Y, Z // 2 + 1) of a grid of ``shape``."""
    return Spectrum(found.error.radii, found.error.power / found.signal.power).volume(shape, voxel_size)


def _wiener(work: FastBox, found: FieldError, kernel: torch.Tensor) -> torch.Tensor:
    ratio = noise_to_signal(found, work.padded, work.scan.grid.voxel_size).to(kernel.device)
    return kernel / ratio.addcmul_(kernel, kernel)


def _shells(work: FastBox, volume: torch.Tensor, window: torch.Tensor, kernel: torch.Tensor) -> Shells:
    energy = float(window.double().square().sum())
    spectrum = rfftn(volume * window, work.padded)
    return shell_power(spectrum, kernel, work.padded, work.scan.grid.voxel_size, energy)


def _window(mask: torch.Tensor, voxel_size: Triple) -> torch.Tensor:
    """From 0 at the mask's rim to 1 at a depth of TAPER mm; the mask itself where that leaves less than a tenth."""
    values = mask.cpu().numpy().astype(np.float32)
    for axis, v in enumerate(voxel_size):
        size = 2 * min(round(TAPER / v), mask.shape[axis] // 4) + 1
        values = ndimage.uniform_filter1d(values, size, axis, mode="constant")
    window = torch.from_numpy(np.maximum(2 * values - 1, 0)).to(mask.device).mul_(mask)
    return window if float(window.square().sum()) > 0.1 * float(mask.sum()) else mask.to(torch.float32)


def _estimate(work: FastBox, field: Shells, residual: Shells) -> FieldError:
    error = _filled(residual)
    squared = np.maximum(field.squared_kernel[2], OUTSIDE**2)
    # Where the error owns the field, the signal is taken as a thousandth of it.
    power = np.maximum(np.nan_to_num(field.power[2]) - error, 1e-3 * error)
    signal = np.maximum(power / squared, _LEAST**2)
    return FieldError(Spectrum(field.radii, error), Spectrum(field.radii, signal), prod(work.scan.grid.voxel_size))


def _filled(shells: Shells) -> np.ndarray:
    """The cone's power in every shell: the wider cone's where the narrow one is all but empty, else the nearest."""
    power = np.where(shells.count[0] >= _ENOUGH, shells.power[0], shells.power[1])
    known = np.isfinite(power)
    if not known.any():
        return np.full(power.size, _LEAST**2)
    log = np.log(np.maximum(power[known], _LEAST**2))
    filled: np.ndarray = np.exp(np.interp(np.log(shells.radii), np.log(shells.radii[known]), log))
    return filled


def _band(spectrum: Spectrum, band: tuple[float, float]) -> float:
    return float(np.sqrt(spectrum.at(np.geomspace(*band, 16)).mean()))
