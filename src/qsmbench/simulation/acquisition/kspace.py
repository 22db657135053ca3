"""What a scanner's finite k-space makes of a finer object.

The fine grid's spectrum is cut to the acquired matrix and tapered towards its edge as a scanner's raw filter does
(Tukey: Harris 1978, doi 10.1109/PROC.1978.10837), along each axis,

    image = F^-1[ window(k) exp(2 pi i k s) F[object] ],   s = (acquired voxel - fine voxel) / 2,

where the phase moves the sampling points from the fine voxels' centres to the acquired ones'. k = 0 passes as it is, so
the mean is kept. The highest frequency of an even axis gets nothing, so that real objects give real images.

The truth is not cut but averaged over each acquired voxel (`voxel_means`): ringing is the scanner's, not the tissue's.
"""

from typing import Any, TypeAlias

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from qsmbench.core.compiled import compiled
from qsmbench.core.grid import Shape
from qsmbench.physics.fourier import n_workers

F64: TypeAlias = NDArray[np.float64]

# Share of each half axis over which the window falls to zero: enough to tame ringing, little enough to keep resolution.
TAPER = 0.2


def window(n: int, taper: float = TAPER) -> F64:
    """The raw filter on the frequencies of an axis of ``n`` samples, in FFT order."""
    k = np.abs(np.fft.fftfreq(n) * n) / (n / 2)
    fall = np.clip((k - (1 - taper)) / max(taper, 1e-9), 0, 1)
    weight: F64 = 0.5 * (1 + np.cos(np.pi * fall))
    if n % 2 == 0:
        weight[n // 2] = 0.0
    return weight


def crop_axis(spectrum: NDArray[Any], axis: int, n: int, taper: float = TAPER) -> NDArray[np.complex64]:
    """Cut a full spectrum (FFT order) along one axis to ``n`` samples, window it, and move the sampling points.

    The scale is that of a mean-preserving pair of transforms.
    """
    fine = spectrum.shape[axis]
    keep = np.rint(np.fft.fftfreq(n) * n).astype(int)
    cut = np.take(spectrum, keep % fine, axis=axis)
    shift = 0.5 / n - 0.5 / fine
    factor = window(n, taper) * np.exp(2j * np.pi * keep * shift) * (n / fine)
    along = [1] * spectrum.ndim
    along[axis] = n
    cropped: NDArray[np.complex64] = (cut * factor.reshape(along)).astype(np.complex64)
    return cropped


def crop_plane(plane: NDArray[Any], shape: tuple[int, int], taper: float = TAPER) -> NDArray[np.complex64]:
    """Image (x, y) of ``shape`` from a fine plane: both in-plane axes."""
    spectrum: Any = scipy.fft.fft(plane.astype(np.complex64, copy=False), axis=0, workers=n_workers())
    half: Any = scipy.fft.ifft(crop_axis(spectrum, 0, shape[0], taper), axis=0, workers=n_workers())
    spectrum = scipy.fft.fft(half, axis=1, workers=n_workers())
    image: Any = scipy.fft.ifft(crop_axis(spectrum, 1, shape[1], taper), axis=1, workers=n_workers())
    return np.asarray(image, np.complex64)


def crop_slices(volume: NDArray[np.complex64], n: int, taper: float = TAPER) -> NDArray[np.complex64]:
    """The third axis, from fine planes to ``n`` slices."""
    spectrum: Any = scipy.fft.fft(volume, axis=2, workers=n_workers(), overwrite_x=True)
    image: Any = scipy.fft.ifft(crop_axis(spectrum, 2, n, taper), axis=2, workers=n_workers())
    return np.asarray(image, np.complex64)


def acquire(volume: NDArray[Any], shape: Shape, taper: float = TAPER) -> NDArray[np.complex64]:
    """All three axes of a fine volume (x, y, z), plane by plane to keep memory small."""
    stack = np.empty((shape[0], shape[1], volume.shape[2]), np.complex64)
    for k in range(volume.shape[2]):
        stack[:, :, k] = crop_plane(volume[:, :, k], (shape[0], shape[1]), taper)
    return crop_slices(stack, shape[2], taper)


def voxel_means(volume: NDArray[np.float32], shape: Shape) -> NDArray[np.float32]:
    """Mean of a fine (x, y, z) over each of ``shape`` acquired voxels; fine voxels that straddle two are shared."""
    for axis in (2, 1, 0):
        ahead = np.ascontiguousarray(np.moveaxis(volume, axis, -1))
        volume = np.moveaxis(_means(ahead, shape[axis]), -1, axis)
    return np.ascontiguousarray(volume)


@compiled()
def _means(volume: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    rows, columns, fine = volume.shape
    out = np.empty((rows, columns, n), np.float32)
    long = fine / n
    for i in range(rows):
        for j in range(columns):
            for k in range(n):
                start, stop = k * long, (k + 1) * long
                total = 0.0
                for f in range(int(start), min(int(np.ceil(stop)), fine)):
                    total += (min(stop, f + 1.0) - max(start, float(f))) * volume[i, j, f]
                out[i, j, k] = total / long
    return out
