"""TKD: divide by the dipole kernel, with small values replaced (thresholded k-space division).

    chi = F^-1[ F[field] / D_t ],   D_t = D where |D| > t, sign(D) t elsewhere

Shmueli 2009, doi 10.1002/mrm.22135. `fill="zero"` drops the weak part of k-space instead (truncated division in the
sense of Wharton 2010, doi 10.1002/mrm.22334). Truncation shrinks chi; dividing by the value at the origin of the
point-spread function that truncation leaves, i.e. the mean of D / D_t over k-space, undoes that on average
(Schweser 2013, doi 10.1002/mrm.24405, which also lists the thresholds in use).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from qsmbench.core.grid import Shape
from qsmbench.core.scan import Scan
from qsmbench.methods.contract import Method, parameter
from qsmbench.physics.dipole import DEFAULT_PADDING, DipoleConvolution
from qsmbench.physics.fourier import FourierFilter


@dataclass(frozen=True)
class TKD(Method):
    """Thresholded k-space division (Shmueli 2009), linear in the field."""

    threshold: float = parameter(0.2, "smallest |D| that is divided by (Meta-QSM compares with 0.20)", above=0, below=1)
    fill: str = parameter(
        "sign", "below the threshold: sign(D)/t (Shmueli) or zero (Wharton)", choices=("sign", "zero")
    )
    psf_correction: bool = parameter(False, "divide by the point-spread function's peak (Schweser 2013)")
    padding: float = parameter(DEFAULT_PADDING, "zero-padding factor against wrap-around", at_least=1)

    def invert(self, scan: Scan) -> torch.Tensor:
        """Divide in k-space on the padded grid."""
        dipole = DipoleConvolution(scan.grid, self.padding, scan.device)
        inverse = truncated_inverse(dipole.kernel, self.threshold, self.fill)
        if self.psf_correction:
            inverse = inverse / psf_peak(dipole.kernel, inverse, dipole.padded)
        return FourierFilter(inverse, dipole.shape, dipole.padded)(scan.local_field)


def truncated_inverse(kernel: torch.Tensor, threshold: float, fill: str = "sign") -> torch.Tensor:
    """Return 1/D where |D| > t and sign(D)/t (or 0) elsewhere; 0 at the origin, whose D is 0 by definition."""
    if fill == "zero":
        return torch.where(kernel.abs() <= threshold, 0.0, 1.0 / kernel)
    inverse = kernel.abs().clamp_(min=threshold).copysign_(kernel).reciprocal_()
    return inverse.masked_fill_(kernel == 0, 0.0)


def psf_peak(kernel: torch.Tensor, inverse: torch.Tensor, padded: Shape) -> float:
    """Mean over the whole k-space of D times its approximate inverse: what a point of 1 ppm comes out as."""
    transfer = (kernel * inverse).double()
    # Along the halved axis all but the origin and the Nyquist plane stand for two samples.
    weight = np.full(kernel.shape[-1], 2.0)
    weight[0] = 1.0
    if padded[2] % 2 == 0:
        weight[-1] = 1.0
    total = (transfer * torch.from_numpy(weight).to(transfer.device)).sum()
    return float(total) / float(np.prod(padded))
