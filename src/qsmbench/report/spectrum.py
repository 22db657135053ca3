"""Error spectrum against the angle to B0: where streaks come from.

For each angle theta between k and B0 the power of the error, |F[m (chi - chi_ref)]|^2, over that of the reference,
within a ball of spatial frequencies. The dipole kernel vanishes at 54.7 degrees (Salomir 2003, doi
10.1002/cmr.b.10083): an inversion that amplifies noise there rises, one that damps tends
to 1, a map of zeros is 1 everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import acos, degrees, sqrt

import matplotlib as mpl
import numpy as np
import scipy.fft
from matplotlib.figure import Figure

from qsmbench.report.png import fixed_style, png_bytes
from qsmbench.report.volumes import Subject

MAGIC_ANGLE = degrees(acos(1 / sqrt(3)))
N_BINS = 30


def relative_spectrum(subject: Subject, estimate: np.ndarray, b0_dir: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return error power and reference power by angle (N_BINS bins of 3 degrees), up to the coarsest axis' Nyquist.

    Args:
        subject: with a reference.
        estimate: (x, y, z), ppm.
        b0_dir: unit vector in the subject's voxel axes.
    """
    assert subject.chi_ref is not None
    truth = np.where(subject.mask, subject.chi_ref, 0).astype(np.float64)
    error = np.where(subject.mask, estimate, 0) - truth
    sizes = subject.voxel_size
    k = [np.fft.fftfreq(n, d=v) for n, v in zip(truth.shape[:2], sizes[:2], strict=True)]
    k.append(np.fft.rfftfreq(truth.shape[2], d=sizes[2]))
    kx, ky, kz = np.meshgrid(*k, indexing="ij", sparse=True)
    radius = np.sqrt(kx**2 + ky**2 + kz**2)
    used = (radius > 0) & (radius <= 0.5 / max(sizes))
    along = np.abs(b0_dir[0] * kx + b0_dir[1] * ky + b0_dir[2] * kz)[used] / radius[used]
    angle = np.degrees(np.arccos(np.clip(along, 0, 1)))
    which = np.minimum((angle / 90 * N_BINS).astype(np.int64), N_BINS - 1)
    powers = [np.bincount(which, np.abs(scipy.fft.rfftn(volume)[used]) ** 2, N_BINS) for volume in (error, truth)]
    return powers[0], powers[1]


def spectrum_figure(spectra: Mapping[str, Sequence[tuple[np.ndarray, np.ndarray]]], labels: Mapping[str, str]) -> bytes:
    """Draw the ratio of summed error power to summed reference power for every method; a PNG."""
    angles = (np.arange(N_BINS) + 0.5) * 90 / N_BINS
    with fixed_style():
        figure = Figure(figsize=(6.4, 3.2), dpi=110, layout="constrained")
        axes = figure.subplots()
        axes.axvline(MAGIC_ANGLE, color="#57606a", lw=1, ls="--")
        axes.text(
            MAGIC_ANGLE, 1.01, "54.7°, kernel zero", transform=axes.get_xaxis_transform(), ha="center", fontsize=7
        )
        for i, (method, pairs) in enumerate(spectra.items()):
            ratio = sum(p[0] for p in pairs) / np.maximum(sum(p[1] for p in pairs), 1e-300)
            axes.semilogy(angles, ratio, lw=1.5, color=mpl.colormaps["tab10"](i % 10), label=labels[method])
        axes.set_xlabel("angle between k and B0 (degrees)")
        axes.set_ylabel("error power / reference power")
        axes.set_xlim(0, 90)
        axes.set_xticks(range(0, 91, 15))
        axes.grid(True, which="both", color="#e4e4e4", lw=0.5)
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside right upper", frameon=False, fontsize=8)
        return png_bytes(figure)


def spectrum_alt_text(
    spectra: Mapping[str, Sequence[tuple[np.ndarray, np.ndarray]]], labels: Mapping[str, str], set_label: str
) -> str:
    """What the figure shows, in words and numbers."""
    at = int(MAGIC_ANGLE / 90 * N_BINS)
    parts = []
    for method, pairs in spectra.items():
        ratio = sum(p[0] for p in pairs) / np.maximum(sum(p[1] for p in pairs), 1e-300)
        parts.append(
            f"{labels[method]} {ratio[0]:.2g} along B0, {ratio[at]:.2g} on the cone, {ratio[-1]:.2g} across B0"
        )
    return f"{set_label}: error power relative to the reference's by angle to B0: {'; '.join(parts)}."
