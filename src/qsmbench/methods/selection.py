"""Choosing lambda for a Tikhonov problem that is diagonal in k-space, from one look at the spectrum.

For chi = argmin || D chi - f ||^2 + lambda || E chi ||^2, with the power p = |f|^2 and q = (D / E)^2 of each sample,

    residual(lambda) = sum p (lambda / (q + lambda))^2      seminorm(lambda) = sum p q / (q + lambda)^2
    freedom(lambda)  = sum lambda / (q + lambda)            (samples left to the residual: tr(I - influence))

All three see a sample through q alone: histograms over log q hold them for every lambda, and trying one costs nothing.

- `gcv` minimises residual / freedom^2: generalised cross-validation, needs no noise (Golub 1979, doi
  10.1080/00401706.1979.10489751).
- `discrepancy` lets the residual be as large as the given noise in its degrees of freedom (Thompson 1991, doi
  10.1109/34.88568). Morozov's plain principle, which leaves out what the fit absorbs, smooths too much: lambda 2.5 to 3
  times too large on the 2016 head. Noise below the error that the cut at the mask makes leads it to smooth too little.
- `lcurve` takes the corner of log residual against log seminorm (Hansen 1992, doi 10.1137/1034115; in QSM: Bilgic 2014,
  doi 10.1002/mrm.25029). A noisy field's L-curve may have none, or one far too low.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from qsmbench.core.errors import InputError
from qsmbench.methods.notes import note

Curve = NDArray[np.float64]

LAMBDAS: Curve = np.logspace(-6, 1, 701)

_BINS_PER_DECADE = 100
# Beyond these, q leaves chi as it is or takes it away for every lambda of LAMBDAS.
_DECADES = (-10, 6)


@dataclass(frozen=True, eq=False)
class Tradeoff:
    """Residual, seminorm and freedom for each of LAMBDAS; energies are means over k-space, freedom a share of it.

    >>> one = torch.ones(1, 1, 3)
    >>> t = tradeoff(one.to(torch.complex64), one, one, 5)  # q = 1 and p = 1 everywhere
    >>> i = int(np.argmin(abs(LAMBDAS - 1)))
    >>> [round(float(v[i]), 2) for v in (t.residual, t.seminorm, t.freedom)]
    [0.25, 0.25, 0.5]
    """

    residual: Curve
    seminorm: Curve
    freedom: Curve


def tradeoff(spectrum: torch.Tensor, kernel: torch.Tensor, penalty: torch.Tensor, n_z: int) -> Tradeoff:
    """Sum up a problem for all of LAMBDAS.

    Args:
        spectrum: of the field, half spectrum (X, Y, Z // 2 + 1), complex.
        kernel: D, same shape.
        penalty: |E|^2, same shape; samples where it is zero (the origin) are left out.
        n_z: Z, the full size of the halved axis.

    Raises:
        InputError: the field is zero.
    """
    n_bins = _BINS_PER_DECADE * (_DECADES[1] - _DECADES[0])
    power = np.zeros(n_bins)
    count = np.zeros(n_bins)
    # All samples but the origin's and the Nyquist plane stand for two.
    twofold = torch.ones(kernel.shape[-1], dtype=torch.float64, device=kernel.device)
    twofold[1 : (n_z + 1) // 2] = 2
    # Slab by slab, to need no volume in double precision.
    for f, d, e in zip(spectrum, kernel, penalty, strict=True):
        present = (e > 0) * twofold
        place = (torch.log10(d.square() / e.clamp(min=1e-30)) - _DECADES[0]) * _BINS_PER_DECADE
        place = place.clamp(0, n_bins - 1).long().flatten()
        energy = (f.real.square() + f.imag.square()) * present
        power += torch.bincount(place, energy.flatten(), n_bins).cpu().numpy()
        count += torch.bincount(place, present.flatten(), n_bins).cpu().numpy()
    if not power.sum() > 0:
        raise InputError("the local field is zero everywhere: there is nothing to choose a regularization by")
    q = 10 ** (_DECADES[0] + (np.arange(n_bins) + 0.5) / _BINS_PER_DECADE)
    filled = count > 0
    q, power, count = q[filled], power[filled], count[filled]
    left = LAMBDAS[:, None] / (q + LAMBDAS[:, None])
    total = count.sum()
    return Tradeoff(left**2 @ power / total, (left / LAMBDAS[:, None]) ** 2 @ (power * q) / total, left @ count / total)


def by_gcv(t: Tradeoff) -> float:
    """Lambda of the least generalised cross-validation score."""
    return _at(int(np.argmin(t.residual / t.freedom**2)), "generalised cross-validation")


def by_discrepancy(t: Tradeoff, noise: float) -> float:
    """Lambda up to which the residual stays below what ``noise`` alone would leave.

    Args:
        t: the trade-off.
        noise: expected energy of the noise in each sample of k-space: the sum of its variance over all voxels.
    """
    within = np.flatnonzero(t.residual <= noise * t.freedom)
    return _at(int(within[-1]) if within.size else 0, "the discrepancy principle")


def by_lcurve(t: Tradeoff) -> float:
    """Lambda where the L-curve bends most.

    Raises:
        InputError: it has no corner: its curvature has no positive maximum.
    """
    step = np.log(LAMBDAS[1] / LAMBDAS[0])
    residual, seminorm = np.log(t.residual) / 2, np.log(t.seminorm) / 2
    r1, s1 = np.gradient(residual, step), np.gradient(seminorm, step)
    r2, s2 = np.gradient(r1, step), np.gradient(s1, step)
    curvature = (r1 * s2 - r2 * s1) / (r1**2 + s1**2) ** 1.5
    # The outermost points of a second difference are one-sided.
    inner = np.arange(4, LAMBDAS.size - 4)
    peaks = inner[(curvature[inner] > np.maximum(curvature[inner - 1], 0)) & (curvature[inner] >= curvature[inner + 1])]
    if not peaks.size:
        raise InputError("the L-curve of this field has no corner; take selection=gcv, or discrepancy with a noise map")
    return _at(int(peaks[np.argmax(curvature[peaks])]), "the L-curve")


def _at(index: int, how: str) -> float:
    chosen = float(LAMBDAS[index])
    if index in (0, LAMBDAS.size - 1):
        note(f"warning: {how} chose lambda {chosen:.3g} mm^2, the end of its range: do not rely on it")
    return chosen
