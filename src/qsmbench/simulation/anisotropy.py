"""The field of white matter whose susceptibility is a tensor, along a smooth random fibre field.

    field = F^-1[ b.F[X b] / 3 - (k.b) (k.F[X b]) / k^2 ],   X = delta chi w (f f^T - I / 3),

with b the direction of B0, f the fibres', w the share of white matter and delta chi the susceptibility along the fibres
less that across them (Liu 2010, doi 10.1002/mrm.22482). X has no trace: its mean over orientations, which COSMOS maps,
is chi itself, so this is the part of a field that no scalar map explains. In spinal cord delta chi is 0.014 to 0.019
ppm (van Gelderen 2015, doi 10.1002/mrm.25524); Li 2012 mapped it in vivo, doi 10.1016/j.neuroimage.2012.04.042.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from qsmbench.core.grid import Grid
from qsmbench.physics.fourier import irfftn, padded_shape, rfftn
from qsmbench.simulation.smooth_fields import spline_field

F32 = NDArray[np.float32]

# Blur in mm of chi before white matter is told by it: below it noise decides, above it thin gyri are lost.
_BLUR = 1.5
# Share of a brain that is white matter; ours, about that of the phantom.
_WHITE_SHARE = 0.4
# The anisotropic field is no larger than some ppb, and so is what wraps around at this padding.
_PADDING = 1.25


def tensor_field(moment: F32, grid: Grid, padding: float = _PADDING) -> F32:
    """Return the field in ppm of a susceptibility tensor X whose product with B0's direction is given.

    Args:
        moment: (3, x, y, z) float32, X b in ppm in voxel axes; chi b for a scalar chi, whose field is then D chi.
        grid: geometry; ``b0_dir`` is b.
        padding: factor by which each axis is enlarged against wrap-around.
    """
    padded = padded_shape(grid.shape, padding)
    k = [np.fft.fftfreq(n, d=v) for n, v in zip(padded[:2], grid.voxel_size[:2], strict=True)]
    k.append(np.fft.rfftfreq(padded[2], d=grid.voxel_size[2]))
    # As in physics.dipole: at Nyquist the mixed terms take their mean, zero.
    odd = [ki.copy() for ki in k]
    for ki, n in zip(odd, padded, strict=True):
        if n % 2 == 0:
            ki[n // 2] = 0.0
    along = [_along(ki.astype(np.float32), axis) for axis, ki in enumerate(k)]
    mixed = [_along(ki.astype(np.float32), axis) for axis, ki in enumerate(odd)]
    k2 = along[0] ** 2 + along[1] ** 2 + along[2] ** 2
    k2[0, 0, 0] = 1.0
    b = [np.float32(component) for component in grid.b0_dir]
    k_dot_b = b[0] * mixed[0] + b[1] * mixed[1] + b[2] * mixed[2]
    total = None
    for axis in range(3):
        # k_i (k.b) without the square of k_i, which Nyquist keeps.
        product = mixed[axis] * (k_dot_b - b[axis] * mixed[axis]) + b[axis] * along[axis] ** 2
        multiplier = b[axis] / np.float32(3) - product / k2
        multiplier[0, 0, 0] = 0.0
        spectrum = rfftn(torch.from_numpy(np.ascontiguousarray(moment[axis])), padded).numpy()
        spectrum *= multiplier
        total = spectrum if total is None else total + spectrum
    assert total is not None
    field: F32 = irfftn(torch.from_numpy(total), padded, grid.shape).numpy()
    return field


def anisotropic_field(white: F32, grid: Grid, difference: float, spacing: float, rng: np.random.Generator) -> F32:
    """Return the field in ppm of white matter along random fibres.

    Args:
        white: (x, y, z) share of white matter.
        grid: geometry.
        difference: susceptibility along the fibres less that across them, ppm.
        spacing: mm over which the fibres turn.
        rng: of the fibres.
    """
    fibres = np.stack([spline_field(grid, spacing, rng) for _ in range(3)])
    fibres /= np.sqrt((fibres**2).sum(axis=0)) + np.float32(1e-12)
    b = np.array(grid.b0_dir, np.float32)[:, None, None, None]
    along_b0 = (fibres * b).sum(axis=0)
    moment = np.float32(difference) * white * (fibres * along_b0 - b / np.float32(3))
    return tensor_field(moment, grid)


def white_matter(chi: F32, mask: NDArray[np.bool_], grid: Grid, white_label: NDArray[np.bool_] | None = None) -> F32:
    """Return the share of white matter (x, y, z) in [0, 1]: of its label where there is one, else told by chi.

    White matter is the most diamagnetic tissue of size in a brain, so without labels it is where blurred chi is among
    the lowest 40 %, with a soft edge.
    """
    sigma = [_BLUR / v for v in grid.voxel_size]
    if white_label is not None:
        share: F32 = ndimage.gaussian_filter(white_label.astype(np.float32), [s / 2 for s in sigma])
        return share * mask
    cover = ndimage.gaussian_filter(mask.astype(np.float32), sigma)
    blurred = ndimage.gaussian_filter(np.where(mask, chi, 0).astype(np.float32), sigma)
    blurred /= np.maximum(cover, np.float32(0.1))
    low, middle, high = np.quantile(blurred[mask], [0.1, _WHITE_SHARE, 0.8])
    soft = max(float(high - low) / 10, 1e-6)
    # Clipped, since an exponential of a bleed's chi overflows.
    step = np.clip((blurred - middle) / np.float32(soft), -30, 30)
    told: F32 = np.where(mask, 1 / (1 + np.exp(step)), 0).astype(np.float32)
    return told


def _along(values: F32, axis: int) -> F32:
    shape = [1, 1, 1]
    shape[axis] = -1
    return values.reshape(shape)
