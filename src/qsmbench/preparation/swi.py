"""Susceptibility-weighted imaging: the magnitude darkened where the phase is paramagnetic.

    high-pass phase = arg( S / low-pass(S) ),   S the complex echo, the low-pass a Hann window in the slice's k-space
    phase mask      = (pi - phase) / pi for phase > 0, 1 elsewhere;   SWI = magnitude * phase mask^4

Haacke 2004, doi 10.1002/mrm.20198 (there with the opposite sign of phase); Reichenbach 1997, doi
10.1148/radiology.204.1.9205259, for the homodyne filter. Beside it the minimum-intensity projection over a slab.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

from qsmbench.preparation.echoes import Echoes
from qsmbench.preparation.settings import SwiSettings


def choose_echo(echoes: Echoes, settings: SwiSettings) -> int:
    """Return the index of the echo nearest to the time asked for."""
    return int(np.argmin(np.abs(np.array(echoes.echo_times) - settings.echo_time)))


def swi(echoes: Echoes, settings: SwiSettings) -> NDArray[np.float32]:
    """Return the susceptibility-weighted image (x, y, z) of one echo, in the magnitude's unit."""
    echo = choose_echo(echoes, settings)
    magnitude = echoes.magnitude[echo]
    phase = highpass_phase(magnitude, echoes.phase[echo], echoes.grid.voxel_size[:2], settings.cutoff)
    phase_mask = np.clip((np.pi - phase) / np.pi, 0, 1)
    weighted: NDArray[np.float32] = magnitude * phase_mask**settings.power
    return weighted.astype(np.float32)


def highpass_phase(
    magnitude: NDArray[np.float32], phase: NDArray[np.float32], pixel: tuple[float, float], cutoff: float
) -> NDArray[np.float32]:
    """Phase (x, y, z), rad, without what varies slower than 1 / ``cutoff`` mm in the plane of a slice."""
    signal = magnitude * np.exp(1j * phase, dtype=np.complex64)
    # A Hann window that ends at the cut-off along each axis.
    windows = [
        np.where(np.abs(k) < cutoff, 0.5 + 0.5 * np.cos(np.pi * k / cutoff), 0.0).astype(np.float32)
        for k in (np.fft.fftfreq(n, d) for n, d in zip(phase.shape[:2], pixel, strict=True))
    ]
    low = scipy.fft.fft2(signal, axes=(0, 1))
    low *= windows[0][:, None, None] * windows[1][None, :, None]
    low = scipy.fft.ifft2(low, axes=(0, 1), overwrite_x=True)
    high: NDArray[np.float32] = np.angle(signal * np.conj(low)).astype(np.float32)
    return high


def minimum_projection(image: NDArray[np.float32], slice_thickness: float, slab: float) -> NDArray[np.float32]:
    """Minimum of ``image`` (x, y, z) over a slab of ``slab`` mm around each slice, fewer slices at the ends."""
    n_slices = max(1, round(slab / slice_thickness))
    projected: NDArray[np.float32] = scipy.ndimage.minimum_filter1d(image, n_slices, axis=2, mode="nearest")
    return projected
