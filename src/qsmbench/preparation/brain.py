"""Brain extraction from a gradient-echo magnitude: a surface that grows until it meets the dark rim of the skull (BET).

Smith 2002, doi 10.1002/hbm.10062; the package `brainextractor` (MIT), which needs no weights and no download. BET is
made for T1-weighted whole heads; gradient echoes with little contrast let the surface leak into face and neck. So the
neck is left out beforehand (by height below the top of the head, as FSL's robustfov does), and afterwards what is dark
inside the surface, and what then hangs on the brain by no more than a bridge (opening by a sphere).
"""

from __future__ import annotations

import contextlib
import io

import nibabel as nib
import numpy as np
import scipy.ndimage
from numpy.typing import NDArray
from skimage.filters import threshold_otsu

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid, Triple

# The surface has 2562 vertices, some 5 mm apart on a brain: finer voxels cost time and move it little.
_VOXEL = 3.0
# The surface looks 20 mm inwards and, unlike the volume, knows no rim.
_MARGIN = 30.0
# A smaller volume of brain than this (ml) is no brain: a newborn's has 300.
_SMALLEST = 100.0
# A surface that looks 20 mm inwards finds nothing in a thinner slab, mm.
_THINNEST = 40.0
# What the library raises where its surface collapses or leaves the volume.
_GIVES_UP = (ArithmeticError, ValueError, IndexError, RuntimeError, np.linalg.LinAlgError)
_REMEDY = (
    "give a mask of your own, or --option mask.method=threshold (what is bright) or whole (every voxel); in a "
    "configuration it is preparation.mask.method"
)
# From the top of the scalp down to the foramen magnum an adult head measures less, mm (ours).
_HEIGHT = 145.0
# Below this share of the median brain magnitude lies bone or air (ours).
_DARK = 0.5
# Bridges narrower than twice this are cut, mm (ours): orbits, and what runs through the skull base.
_BRIDGE = 12.0


def extract_brain(magnitude: NDArray[np.float32], grid: Grid, fractional_intensity: float) -> NDArray[np.bool_]:
    """Return the brain (x, y, z) of a magnitude (x, y, z) of a whole head or a slab of one.

    Raises:
        InputError: nothing like a brain is found.
    """
    # Slow where it is not needed: it brings a mesh library along.
    from brainextractor import BrainExtractor

    shown = " x ".join(f"{e:g}" for e in grid.extent)
    if min(grid.extent) < _THINNEST:
        raise InputError(
            f"brain extraction needs {_THINNEST:g} mm of head along every axis, and this is {shown} mm; {_REMEDY}"
        )
    if not float(magnitude.max()) > float(magnitude.min()):
        raise InputError(f"brain extraction: the magnitude is {magnitude.max():g} everywhere; {_REMEDY}")
    magnitude = np.where(_above_neck(magnitude, grid), magnitude, 0).astype(np.float32)
    factors = [v / _VOXEL for v in grid.voxel_size]
    coarse = scipy.ndimage.gaussian_filter(magnitude, [max(0.0, 0.4 * (1 / f - 1)) for f in factors])
    coarse = scipy.ndimage.zoom(coarse, factors, order=1, mode="nearest", grid_mode=True)
    n_margin = int(np.ceil(_MARGIN / _VOXEL))
    padded = np.pad(coarse, n_margin)
    image = nib.Nifti1Image(padded, np.diag([_VOXEL, _VOXEL, _VOXEL, 1.0]))  # type: ignore[no-untyped-call]
    # The robust maximum is a percentile of the volume; the margin must not count.
    share = coarse.size / padded.size
    with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        try:
            extractor = BrainExtractor(image, t98t=1 - 0.02 * share, bt=fractional_intensity)
            extractor.run()
            inside = extractor.compute_mask()
        except _GIVES_UP as error:
            raise InputError(
                f"brain extraction found no surface in {shown} mm of head ({type(error).__name__}); {_REMEDY}"
            ) from error
    inner = (slice(n_margin, -n_margin),) * 3
    surface = _resample(inside[inner].astype(np.float32), magnitude.shape)
    # Where the surface is empty, so is the median; the volume below then says so.
    bright = surface & (magnitude > _DARK * float(np.median(magnitude[surface]))) if surface.any() else surface
    brain = cut_bridges(bright, grid.voxel_size) & surface
    if brain.sum() * float(np.prod(grid.voxel_size)) < _SMALLEST * 1000:
        raise InputError(f"brain extraction found less than {_SMALLEST:g} ml of brain; {_REMEDY}")
    return brain


def cut_bridges(mask: NDArray[np.bool_], voxel_size: Triple, radius: float = _BRIDGE) -> NDArray[np.bool_]:
    """Keep of ``mask``, holes filled, the largest part into which a sphere of ``radius`` mm fits (an opening)."""
    filled = scipy.ndimage.binary_fill_holes(np.pad(mask, 1))
    depth = scipy.ndimage.distance_transform_edt(filled, sampling=voxel_size)
    core = largest_part(depth > radius)
    opened = scipy.ndimage.distance_transform_edt(~core, sampling=voxel_size) <= radius
    result: NDArray[np.bool_] = (opened & filled)[1:-1, 1:-1, 1:-1]
    return result


def largest_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest connected part (faces touch) of ``mask``; of equals the first."""
    labels, n_parts = scipy.ndimage.label(mask)
    if n_parts <= 1:
        return mask
    largest: NDArray[np.bool_] = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    return largest


def _above_neck(magnitude: NDArray[np.float32], grid: Grid) -> NDArray[np.bool_]:
    x, y, z = (grid.matrix[2, a] * np.arange(n) for a, n in enumerate(grid.shape))
    height: NDArray[np.float64] = x[:, None, None] + y[None, :, None] + z[None, None, :]
    # A few bright voxels (noise, a fat wrap) above the head are not its top.
    top = float(np.percentile(height[magnitude > otsu(magnitude)], 99.9))
    return height > top - _HEIGHT


def otsu(magnitude: NDArray[np.float32]) -> float:
    """Return the threshold between dark and bright (Otsu 1979, doi 10.1109/TSMC.1979.4310076)."""
    return float(threshold_otsu(magnitude))  # type: ignore[no-untyped-call]


def _resample(volume: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    factors = [n / m for n, m in zip(shape, volume.shape, strict=True)]
    fine = scipy.ndimage.zoom(volume, factors, order=1, mode="nearest", grid_mode=True)
    result: NDArray[np.bool_] = fine > 0.5
    return result
