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

from qsmbench.core.grid import Triple
from qsmbench.preparation.echoes import Echoes
from qsmbench.preparation.settings import SwiSettings

# An edge this much longer than the others is the thickness of slices.
_THICKER = 1.1


def choose_echo(echoes: Echoes, settings: SwiSettings) -> int:
    """Return the index of the echo nearest to the time asked for."""
    return int(np.argmin(np.abs(np.array(echoes.echo_times) - settings.echo_time)))


def swi(echoes: Echoes, settings: SwiSettings) -> NDArray[np.float32]:
    """Return the susceptibility-weighted image (x, y, z) of one echo, in the magnitude's unit."""
    echo = choose_echo(echoes, settings)
    magnitude = echoes.magnitude[echo]
    phase = highpass_phase(magnitude, echoes.phase[echo], echoes.grid.voxel_size, settings.cutoff, slice_axis(echoes))
    phase_mask = np.clip((np.pi - phase) / np.pi, 0, 1)
    weighted: NDArray[np.float32] = magnitude * phase_mask**settings.power
    return weighted.astype(np.float32)


def slice_axis(echoes: Echoes) -> int:
    """Return the axis across the slices: the longest voxel edge, else what the files say, else the world's z.

    Voxels in the world's order are taken for granted (`core.orientation`). Geometry goes first since it stays right
    where a tool turned a volume and left the header's note on slices as it was.
    """
    sizes = np.array(echoes.grid.voxel_size)
    longest = int(np.argmax(sizes))
    if sizes[longest] > _THICKER * np.sort(sizes)[1]:
        return longest
    return 2 if echoes.slice_axis is None else echoes.slice_axis


def highpass_phase(
    magnitude: NDArray[np.float32], phase: NDArray[np.float32], voxel_size: Triple, cutoff: float, across: int = 2
) -> NDArray[np.float32]:
    """Phase (x, y, z), rad, without what varies slower than 1 / ``cutoff`` mm in the plane across axis ``across``."""
    signal = magnitude * np.exp(1j * phase, dtype=np.complex64)
    plane = tuple(a for a in range(3) if a != across)
    low = scipy.fft.fft2(signal, axes=plane)
    for axis in plane:
        # A Hann window that ends at the cut-off along each axis.
        k = np.fft.fftfreq(phase.shape[axis], voxel_size[axis])
        window = np.where(np.abs(k) < cutoff, 0.5 + 0.5 * np.cos(np.pi * k / cutoff), 0.0).astype(np.float32)
        low *= window.reshape([-1 if a == axis else 1 for a in range(3)])
    low = scipy.fft.ifft2(low, axes=plane, overwrite_x=True)
    high: NDArray[np.float32] = np.angle(signal * np.conj(low)).astype(np.float32)
    return high


def minimum_projection(
    image: NDArray[np.float32], slice_thickness: float, slab: float, across: int = 2
) -> NDArray[np.float32]:
    """Minimum of ``image`` (x, y, z) over a slab of ``slab`` mm around each slice, fewer slices at the ends."""
    n_slices = max(1, round(slab / slice_thickness))
    projected: NDArray[np.float32] = scipy.ndimage.minimum_filter1d(image, n_slices, axis=across, mode="nearest")
    return projected
