"""R2*: the decay of the magnitude over the echoes, m(TE) = m0 exp(-R2* TE).

A weighted straight line through log m; the variance of log m is (sigma / m)^2 (Gudbjartsson & Patz 1995, doi
10.1002/mrm.1910340618), so m^2 weighs: late echoes near the noise floor count little. Echoes without signal count
nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qsmbench.core.errors import InputError


def fit_r2star(
    magnitude: NDArray[np.float32], echo_times: tuple[float, ...], mask: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return R2* in 1/s, (x, y, z) float32, not negative, zero outside the mask.

    Args:
        magnitude: (n_echoes, x, y, z).
        echo_times: s, two or more.
        mask: (x, y, z).

    Raises:
        InputError: fewer than two echoes.
    """
    if len(echo_times) < 2:
        raise InputError("R2* needs at least two echoes")
    inside = magnitude[:, mask].astype(np.float64)
    weight = inside**2
    logarithm = np.log(np.where(inside > 0, inside, 1.0))
    times = np.array(echo_times)[:, None]
    total = np.maximum(weight.sum(axis=0), np.finfo(float).tiny)
    mean_time = (weight * times).sum(axis=0) / total
    centred = weight * (times - mean_time)
    spread = (centred * times).sum(axis=0)
    slope = np.divide(
        (centred * logarithm).sum(axis=0), spread, out=np.zeros_like(spread), where=spread > 1e-12 * total
    )
    r2star = np.zeros(mask.shape, np.float32)
    r2star[mask] = np.maximum(-slope, 0.0)
    return r2star
