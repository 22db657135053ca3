"""The structural similarity that SSIM and XSIM share.

With local means mu, variances s^2 and covariance s_xy in a Gaussian window w (scaled to sum 1, zeros beyond the edge),
    SSIM(x, y) = (2 mu_x mu_y + C1) (2 s_xy + C2) / ((mu_x^2 + mu_y^2 + C1) (s_x^2 + s_y^2 + C2)),
s_x^2 = w * x^2 - mu_x^2 and so on; the score is the mean of this map over the voxels asked for.

Wang et al., Image quality assessment: from error visibility to structural similarity,
IEEE Trans Image Process 13 (2004) 600, doi:10.1109/TIP.2003.819861.

The variances enter only as a sum, so four filtered volumes do instead of five.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import correlate1d

from qsmbench.metrics.pair import Mask, Volume

SIGMA = 1.5


def mean_similarity(x: Volume, y: Volume, where: Mask, *, radius: int, c1: float, c2: float) -> float:
    """Return the mean of the similarity map over ``where``.

    Args:
        x: (x, y, z).
        y: (x, y, z).
        where: (x, y, z) bool, at least one voxel.
        radius: of the window, which is 2 radius + 1 voxels long on every axis, with a sigma of 1.5 voxels.
        c1: constant of the luminance term, in squared units of x.
        c2: constant of the contrast and structure term, in squared units of x.
    """
    mu_x, mu_y = window_mean(x, radius)[where], window_mean(y, radius)[where]
    product, squares = mu_x * mu_y, mu_x**2 + mu_y**2
    covariance = window_mean(x * y, radius)[where] - product
    variances = window_mean(x**2 + y**2, radius)[where] - squares
    similarity = (2 * product + c1) * (2 * covariance + c2) / ((squares + c1) * (variances + c2))
    return float(similarity.mean())


def window_mean(volume: Volume, radius: int) -> Volume:
    """Return the Gaussian-weighted local mean of a volume (x, y, z), zeros beyond its edge."""
    taps = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * SIGMA**2))
    taps /= taps.sum()
    out = np.empty_like(volume)
    for axis in range(3):
        correlate1d(out if axis else volume, taps, axis=axis, output=out, mode="constant", cval=0.0)
    return out
