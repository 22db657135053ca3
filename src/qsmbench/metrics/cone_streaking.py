"""Streaking in the cone of the kernel: spectral power where the dipole kernel is nearly zero, against that beside it.

With the power P(k) = |F[m chi]|^2 and shells of |k|, C = sum over the cone of P / sum over the cone of the mean P of
the same shell outside the cone; the cone is |D(k)| < 0.1, out to the smallest Nyquist frequency of the three axes.

The field tells nothing about chi on the cone D = 0 (54.7 degrees from B0; Haacke et al. 2010,
doi:10.1016/j.jmr.2010.02.007), where streaks come from. The ratio is ours.
"""

from __future__ import annotations

import numpy as np
import scipy.fft

from qsmbench.metrics.case import WHOLE_MASK, Case

CONE = 0.1
N_SHELLS = 24


def cone_streaking(case: Case) -> dict[str, float]:
    """Return C: 1 for a map as strong in the cone as beside it, more with streaks, less where the cone was damped.

    What rankings turn on:
        - No best value: heads are not isotropic, and a truth has about 1, not exactly 1. Where there is a reference,
          its own C is returned too, in the region "reference".
        - The mask's outline is in the spectrum of every map; a method that erodes the mask changes it.
        - Anisotropic voxels: shells are in 1/mm and end at the coarsest axis' Nyquist frequency, to be whole.
    """
    scores = {WHOLE_MASK: _ratio(case, case.chi)}
    if case.reference is not None:
        scores["reference"] = _ratio(case, case.truth)
    return scores


def _ratio(case: Case, volume: np.ndarray) -> float:
    power = np.abs(scipy.fft.rfftn(volume)) ** 2
    frequencies = [np.fft.fftfreq(n, d=v) for n, v in zip(case.grid.shape[:2], case.grid.voxel_size[:2], strict=True)]
    frequencies.append(np.fft.rfftfreq(case.grid.shape[2], d=case.grid.voxel_size[2]))
    kx, ky, kz = np.meshgrid(*frequencies, indexing="ij", sparse=True)
    radius = np.sqrt(kx**2 + ky**2 + kz**2)
    bx, by, bz = case.grid.b0_dir
    with np.errstate(invalid="ignore", divide="ignore"):
        kernel = 1 / 3 - ((bx * kx + by * ky + bz * kz) / radius) ** 2
    limit = 0.5 / max(case.grid.voxel_size)
    used = (radius > 0) & (radius <= limit)
    shell = np.minimum((radius[used] / limit * N_SHELLS).astype(np.int64), N_SHELLS - 1)
    cone = np.abs(kernel[used]) < CONE
    # The half spectrum holds each pair of opposite frequencies once, but for the plane kz = 0, which is thin.
    p = power[used]
    beside = np.bincount(shell[~cone], p[~cone], N_SHELLS)
    n_beside = np.bincount(shell[~cone], minlength=N_SHELLS)
    n_cone = np.bincount(shell[cone], minlength=N_SHELLS)
    both = (n_beside > 0) & (n_cone > 0)
    expected = float((n_cone[both] * beside[both] / n_beside[both]).sum())
    found = float(np.bincount(shell[cone], p[cone], N_SHELLS)[both].sum())
    return found / expected if expected > 0 else float("nan")
