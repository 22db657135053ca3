"""Wiener: the linear estimate of least mean error, with the spectra of susceptibility and error taken from the scan.

    chi = F^-1[ D S / (D^2 S + c E) F[field] ]

Wiener 1949, Extrapolation, Interpolation and Smoothing of Stationary Time Series (MIT Press, doi
10.7551/mitpress/2946.001.0001), for a field f = d * chi + error whose parts are stationary, with radial power spectra S
and E (`field_error`). No iteration and nothing to choose: what a slower method is worth is what it does better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from qsmbench.core.scan import Scan
from qsmbench.methods.contract import Method, Reconstruction, parameter
from qsmbench.methods.fast_box import fast_box
from qsmbench.methods.field_error import PADDING, field_error, noise_to_signal
from qsmbench.physics.fourier import irfftn, rfftn


@dataclass(frozen=True)
class Wiener(Method):
    """Closed-form Wiener filter, spectra estimated from the scan."""

    error_factor: float = parameter(1.0, "c, on the power of the error; below 1 smooths less", above=0)
    padding: float = parameter(PADDING, "enlargement of the mask's box against wrap-around", at_least=1)

    def invert(self, scan: Scan) -> Reconstruction:
        """Estimate the spectra, then filter."""
        (chi,), note = wiener_maps(scan, (self.error_factor,), self.padding)
        return Reconstruction(chi, notes=(note,))


def wiener_maps(scan: Scan, factors: Sequence[float], padding: float = PADDING) -> tuple[list[torch.Tensor], str]:
    """Return the maps (x, y, z) in ppm for several factors on the power of the error, which is estimated once.

    The second result is a line on that error.
    """
    error = field_error(scan)
    work = fast_box(scan, padding)
    kernel = work.kernel
    ratio = noise_to_signal(error, work.padded, scan.grid.voxel_size).to(scan.device)
    field = rfftn(work.scan.local_field, work.padded)
    maps = []
    for factor in factors:
        spectrum = field * (kernel / (kernel * kernel).add_(ratio, alpha=factor))
        maps.append(work.restore(irfftn(spectrum, work.padded, work.scan.grid.shape)))
    return maps, error.note
