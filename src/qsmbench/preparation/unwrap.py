"""Spatial unwrapping: which multiple of 2 pi each voxel's phase lacks.

- romeo: along the tree of the most trustworthy pairs, told by phase, magnitude and another echo (`romeo`).
- path: voxels are joined in the order of their reliability (second differences), so that errors stay in noise
  (Abdul-Rahman 2007, doi 10.1364/AO.46.006623); scikit-image's implementation. The result differs from the phase by
  multiples of 2 pi exactly.
- laplacian: the Poisson equation whose right-hand side is the divergence of the wrapped differences (Schofield & Zhu
  2003, doi 10.1364/OL.28.001194), solved on the mask, with no flux through its rim, by conjugate gradients with the
  cosine transform as preconditioner (Ghiglia & Romero 1994, doi 10.1364/JOSAA.11.000107). No path along which an error
  could spread, but where noise wraps it is smoothed, and the result is no multiple of 2 pi away.

Each leaves one multiple of 2 pi free for each connected part of the mask; it is chosen so that the part's median lies
nearest to zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray
from skimage.restoration import unwrap_phase

from qsmbench.data.mask_values import bounding_box
from qsmbench.preparation.romeo import Guide, unwrap_romeo

TWO_PI = 2 * np.pi
# Of the Poisson equation's residual: some 1e-4 rad on a head.
_TOLERANCE = 1e-5
_MAX_ITERATIONS = 100


def unwrap(
    phase: NDArray[np.float32], mask: NDArray[np.bool_], method: str = "romeo", guide: Guide | None = None
) -> NDArray[np.float32]:
    """Unwrap in space.

    Args:
        phase: (x, y, z), rad.
        mask: (x, y, z), where.
        method: romeo, path or laplacian.
        guide: of romeo: what beside the phase tells which neighbours to trust; by default nothing.

    Returns:
        (x, y, z) float32, rad, zero outside the mask.
    """
    box = bounding_box(mask)
    inside = mask[box]
    smooth: NDArray[np.floating[Any]]
    if method == "romeo":
        smooth = unwrap_romeo(wrap(phase[box]), inside, Guide() if guide is None else guide.cut(box))
    else:
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
    """Solve div grad smooth = div (wrapped differences) on the mask: conjugate gradients, preconditioned by the box."""
    inverse = np.zeros(phase.shape)
    source = np.zeros(phase.shape)
    joined = []
    for axis, n in enumerate(phase.shape):
        low, high = _neighbours(axis)
        both = mask[low] & mask[high]
        joined.append(both)
        difference = np.where(both, wrap(phase[high] - phase[low]), 0.0)
        source[low] -= difference
        source[high] += difference
        one = 2 - 2 * np.cos(np.pi * np.arange(n) / n)
        inverse += one.reshape([-1 if a == axis else 1 for a in range(3)])
    inverse.flat[0] = 1.0
    np.divide(1, inverse, out=inverse)
    inverse.flat[0] = 0.0

    def precondition(residual: NDArray[np.float64]) -> NDArray[np.float64]:
        spectrum = scipy.fft.dctn(residual, type=2)
        spectrum *= inverse
        result: NDArray[np.float64] = scipy.fft.idctn(spectrum, type=2, overwrite_x=True)
        return result

    smooth = np.zeros(phase.shape)
    residual = source
    tolerance = _TOLERANCE * float(np.linalg.norm(source))
    direction = precondition(residual)
    rho = float(np.vdot(residual, direction))
    for _ in range(_MAX_ITERATIONS):
        if np.linalg.norm(residual) <= tolerance or rho <= 0:
            break
        image = np.zeros(phase.shape)
        for axis in range(3):
            low, high = _neighbours(axis)
            flow = np.where(joined[axis], direction[high] - direction[low], 0.0)
            image[low] -= flow
            image[high] += flow
        step = rho / float(np.vdot(direction, image))
        smooth += step * direction
        residual -= step * image
        z = precondition(residual)
        rho, previous = float(np.vdot(residual, z)), rho
        direction = z + (rho / previous) * direction
    # The constant that the equation leaves free: the one that fits the wrapped phase best, in each part of the mask.
    labels, n_parts = scipy.ndimage.label(mask)
    phasor = np.exp(1j * (phase - smooth))
    index = np.arange(1, n_parts + 1)
    means = scipy.ndimage.mean(phasor.real, labels, index) + 1j * scipy.ndimage.mean(phasor.imag, labels, index)
    constants: NDArray[np.float64] = np.concatenate([[0.0], np.angle(np.atleast_1d(means))])
    return smooth + constants[labels]


def _neighbours(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    before = (slice(None),) * axis
    return (*before, slice(None, -1)), (*before, slice(1, None))
