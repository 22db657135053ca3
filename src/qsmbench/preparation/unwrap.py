"""Spatial unwrapping: which multiple of 2 pi each voxel's phase lacks.

- path: voxels are joined in the order of their reliability (second differences), so that errors stay in noise
  (Abdul-Rahman 2007, doi 10.1364/AO.46.006623); scikit-image's implementation. The result differs from the phase by
  multiples of 2 pi exactly.
- laplacian: the Poisson equation whose right-hand side is the divergence of the wrapped differences, solved by cosine
  transforms, i.e. with no flux through the volume's faces (Schofield & Zhu 2003, doi 10.1364/OL.28.001194; the least-
  squares form of Ghiglia & Romero 1994, doi 10.1364/JOSAA.11.000107). Cannot fail at a path, but smooths across noise
  and loses harmonic parts near the mask's rim: differences across the rim count as zero.

Either leaves one multiple of 2 pi free for each connected part of the mask; it is chosen so that the part's median lies
nearest to zero.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray
from skimage.restoration import unwrap_phase

TWO_PI = 2 * np.pi


def unwrap(phase: NDArray[np.float32], mask: NDArray[np.bool_], method: str = "path") -> NDArray[np.float32]:
    """Unwrap in space.

    Args:
        phase: (x, y, z), rad.
        mask: (x, y, z), where.
        method: path or laplacian.

    Returns:
        (x, y, z) float32, rad, zero outside the mask.
    """
    box = bounding_box(mask)
    inside = mask[box]
    smooth = _path(phase[box], inside) if method == "path" else _laplacian(phase[box], inside)
    labels, n_parts = scipy.ndimage.label(inside)
    index = np.arange(1, n_parts + 1)
    medians = np.atleast_1d(scipy.ndimage.median(smooth, labels, index))
    turns = np.concatenate([[0.0], TWO_PI * np.round(medians / TWO_PI)])
    result = np.zeros(phase.shape, np.float32)
    result[box] = np.where(inside, smooth - turns[labels], 0.0)
    return result


def wrap(phase: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``phase`` in [-pi, pi]."""
    return (phase - TWO_PI * np.round(phase / TWO_PI)).astype(np.float32)


def bounding_box(mask: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """Return the slices that hold the mask."""
    x, y, z = scipy.ndimage.find_objects(mask.astype(np.uint8))[0]
    return (x, y, z)


def _path(phase: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    # scikit-image takes a volume one voxel thick for a plane only where it has two axes.
    axes = tuple(a for a, n in enumerate(phase.shape) if n == 1)
    wrapped = np.ma.array(np.squeeze(wrap(phase), axes), mask=np.squeeze(~mask, axes))
    if wrapped.ndim < 2:
        return np.unwrap(wrap(phase).ravel()).reshape(phase.shape).astype(np.float64)
    # Which of equally reliable voxels comes first is drawn at random; the seed makes it the same draw each time.
    unwrapped = np.ma.filled(unwrap_phase(wrapped, rng=0), 0.0)  # type: ignore[no-untyped-call]
    result: NDArray[np.float64] = np.asarray(unwrapped, np.float64).reshape(phase.shape)
    return result


def _laplacian(phase: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    source = np.zeros(phase.shape)
    eigenvalue = np.zeros(phase.shape)
    for axis, n in enumerate(phase.shape):
        if n == 1:
            continue
        low = (slice(None),) * axis + (slice(None, -1),)
        high = (slice(None),) * axis + (slice(1, None),)
        difference = np.where(mask[low] & mask[high], wrap(phase[high] - phase[low]), 0.0)
        source[low] += difference
        source[high] -= difference
        one = 2 * np.cos(np.pi * np.arange(n) / n) - 2
        eigenvalue += one.reshape([-1 if a == axis else 1 for a in range(3)])
    eigenvalue.flat[0] = 1.0
    spectrum = scipy.fft.dctn(source, type=2, overwrite_x=True) / eigenvalue
    spectrum.flat[0] = 0.0
    smooth: NDArray[np.float64] = scipy.fft.idctn(spectrum, type=2, overwrite_x=True)
    if mask.any():
        # The constant that the equation leaves free: the one that fits the wrapped phase best.
        smooth += float(np.angle(np.exp(1j * (phase[mask] - smooth[mask])).mean()))
    return smooth
