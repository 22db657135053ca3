"""FastQSM: a quick map whose edges can be trusted, from the sign of the dipole kernel and a smoothed copy of itself.

    x_0     = F^-1[ sign(D) F[field] ]
    x_(i+1) = m F^-1[ ( w + (1 - w) h ) F[x_i] ],   i = 0, 1,      w = (|D|^n - a) / (b - a) in [0, 1]
    chi     = scale x_2 + offset,   fitted to the TKD map of threshold 1/8 inside the mask m

Li 2015, doi 10.1016/j.neuroimage.2014.12.043, steps to its equation 14. a and b are the 1st and 30th percentiles of
|D|^n over k-space, n = 0.001, h is the mean over a sphere of 3 mm: where the kernel is weak, the spectrum is taken from
the smoothed map, streaks and all high frequencies there are left out.
"""

from __future__ import annotations

import math

import torch

from qsmbench.core.scan import Scan
from qsmbench.methods.percentile_weights import percentiles
from qsmbench.methods.tkd import truncated_inverse
from qsmbench.physics.dipole import DipoleConvolution
from qsmbench.physics.fourier import FourierFilter
from qsmbench.physics.smv import sphere_mean

EXPONENT = 0.001
PERCENTS = (1.0, 30.0)
TKD_THRESHOLD = 1 / 8


def fast_qsm(scan: Scan, dipole: DipoleConvolution, radius: float = 3.0) -> torch.Tensor:
    """Return chi (x, y, z), ppm, zero outside the mask; linear in the field but for the fitted offset and scale.

    Args:
        scan: field and mask on the grid of ``dipole``.
        dipole: the forward model, whose padded grid is used.
        radius: of the smoothing sphere, mm.
    """
    shape, padded, D = dipole.shape, dipole.padded, dipole.kernel
    w = trust(D, padded[2])
    blend = sphere_mean(padded, scan.grid.voxel_size, radius).to(scan.device)
    blend.mul_(1 - w).add_(w)
    x = FourierFilter(blend * torch.sign(D), shape, padded)(scan.local_field).mul_(scan.mask)
    x = FourierFilter(blend, shape, padded)(x).mul_(scan.mask)
    tkd = FourierFilter(truncated_inverse(D, TKD_THRESHOLD), shape, padded)(scan.local_field)
    scale, offset = _line(x[scan.mask].double(), tkd[scan.mask].double())
    return x.mul_(scale).add_(offset).mul_(scan.mask)


def trust(kernel: torch.Tensor, n_z: int) -> torch.Tensor:
    """w: how far each sample of the spectrum is trusted, from 0 (weakest 1 %) to 1 (beyond the 30th percentile).

    Args:
        kernel: D on the half spectrum (X, Y, Z // 2 + 1).
        n_z: Z, the full size of the halved axis.
    """
    magnitude = kernel.abs()
    # All samples but the origin's and the Nyquist plane stand for two.
    mirrored = magnitude[..., 1 : (n_z + 1) // 2]
    a, b = percentiles(torch.cat([magnitude.flatten(), mirrored.flatten()]), PERCENTS)
    if not 0 < a < b:
        return (magnitude > a).to(kernel.dtype)
    # |D|^0.001 spans 0.4 % of 1: as a difference of powers it would lose most of single precision.
    power = torch.expm1(EXPONENT * torch.log(magnitude.clamp_(min=1e-3 * a) / a))
    return power.div_(math.expm1(EXPONENT * math.log(b / a))).clamp_(0, 1)


def _line(x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Slope and intercept of the least-squares line y(x); slope 1 where x is constant."""
    centred = x - x.mean()
    variance = float(centred @ centred)
    slope = float(centred @ (y - y.mean())) / variance if variance > 0 else 1.0
    return slope, float(y.mean()) - slope * float(x.mean())
