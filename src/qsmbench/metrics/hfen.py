"""High-frequency error norm of the 2016 challenge: the RMSE after a Laplacian of Gaussian (LoG).

HFEN = 100 ||H * chi - H * chi_ref||_2 / ||H * chi_ref||_2, with the 15x15x15 kernel, sigma = 1.5 voxels,
    g(x, y, z) = exp(-(x^2 + y^2 + z^2) / 2 sigma^2), scaled to sum 1,
    H0 = ((x^2 + y^2 + z^2) / sigma^4 - 3 / sigma^2) g,    H = H0 - mean(H0),
applied with zeros beyond the volume's edge, output of the input's size, norms over the whole output.

Langkammer et al., Magn Reson Med 79 (2018) 1661, doi:10.1002/mrm.26830 (``compute_hfen.m``); the idea is from
Ravishankar and Bresler, IEEE Trans Med Imaging 30 (2011) 1028, doi:10.1109/TMI.2010.2090538.

H is a sum of four separable kernels: with g of one variable, scaled to sum 1, and q(x) = (x^2 / sigma^4 - 1 / sigma^2)
g(x), H0 = q g g + g q g + g g q, and the mean is a box, a running sum: 105 taps a voxel for 3375.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import correlate1d, uniform_filter

from qsmbench.metrics.case import WHOLE_MASK, Case
from qsmbench.metrics.pair import Volume, relative_error

SIGMA = 1.5
RADIUS = 7


def hfen(case: Case) -> dict[str, float]:
    """Return the high-frequency error norm in %, 0 at best; a map of zeros scores 100.

    What rankings turn on:
        - Pass band: the LoG peaks at a wavelength of 2 pi sigma / sqrt(2), about 6.7 voxels. Noise from voxel to voxel
          and large-scale shading both pass weakly.
        - Mask edge: both maps drop to zero at the mask's surface, a step that the LoG passes. A constant offset,
          invisible inside, is therefore an error along the surface, and so is every voxel of an eroded rim.
        - Averaging: the norms run over the whole volume, as in the challenge's script, so they hold the response up to
          7 voxels outside the mask. Programs that take them inside the mask only give other numbers.
        - Field of view: responses that would fall beyond the volume's edge are lost to both maps. Where the mask comes
          within 7 voxels of it, padding the volume changes the score.

    Anisotropic voxels: the kernel is isotropic in **voxels**, so in mm it is as long as the voxel is; with
    0.75x0.75x3 mm it looks at 5 mm structure in plane and 20 mm structure across. Compare methods on one grid only,
    never scores across voxel sizes.

    Raises:
        InputError: see `qsmbench.metrics.case.Case.pair_with_margin`.
    """
    pair = case.pair_with_margin(RADIUS)
    return {WHOLE_MASK: relative_error(laplacian_of_gaussian(pair.estimate), laplacian_of_gaussian(pair.reference))}


def laplacian_of_gaussian(volume: Volume) -> Volume:
    """Apply the challenge's kernel to a volume (x, y, z), zeros beyond its edge; same shape, unit per squared voxel."""
    x = np.arange(-RADIUS, RADIUS + 1, dtype=np.float64)
    gauss = np.exp(-(x**2) / (2 * SIGMA**2))
    gauss /= gauss.sum()
    second = (x**2 / SIGMA**4 - 1 / SIGMA**2) * gauss
    mean = 3 * second.sum() * gauss.sum() ** 2 / x.size**3

    smooth = _along(0, volume, gauss)
    plane = _along(0, volume, second)
    plane = _along(1, plane, gauss, plane)
    plane += _along(1, smooth, second)
    smooth = _along(1, smooth, gauss, smooth)
    out = _along(2, plane, gauss, plane)
    out += _along(2, smooth, second, smooth)
    out -= uniform_filter(volume, x.size, mode="constant", cval=0.0) * (mean * x.size**3)
    return out


def _along(axis: int, volume: Volume, taps: Volume, out: Volume | None = None) -> Volume:
    """Filter along one axis, zeros beyond the edge, into ``out``, which may be the volume itself."""
    out = np.empty_like(volume) if out is None else out
    correlate1d(volume, taps, axis=axis, output=out, mode="constant", cval=0.0)
    return out
