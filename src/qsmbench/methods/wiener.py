"""Wiener: the linear estimate of least mean error, with the spectra of susceptibility and error taken from the scan.

    chi = F^-1[ D S / (D^2 S + c E) F[field] ]

Wiener 1949, Extrapolation, Interpolation and Smoothing of Stationary Time Series (MIT Press, doi
10.7551/mitpress/2946.001.0001), for a field f = d * chi + error whose parts are stationary, with radial power spectra S
and E (`field_error`). No iteration and nothing to choose: what a slower method is worth is what it does better.
"""

from __future__ import annotations

from dataclasses import dataclass

from qsmbench.core.scan import Scan
from qsmbench.methods.contract import Method, Reconstruction, parameter
from qsmbench.methods.fast_box import fast_box
from qsmbench.methods.field_error import field_error, noise_to_signal
from qsmbench.physics.fourier import irfftn, rfftn


@dataclass(frozen=True)
class Wiener(Method):
    """Closed-form Wiener filter, spectra estimated from the scan."""

    error_factor: float = parameter(1.0, "c, on the power of the error; below 1 smooths less", above=0)
    padding: float = parameter(1.25, "enlargement of the mask's box against wrap-around", at_least=1)

    def invert(self, scan: Scan) -> Reconstruction:
        """Estimate the spectra, then filter."""
        error = field_error(scan)
        work = fast_box(scan, self.padding)
        kernel = work.kernel
        ratio = noise_to_signal(error, work.padded, scan.grid.voxel_size).to(scan.device).mul_(self.error_factor)
        spectrum = rfftn(work.scan.local_field, work.padded)
        spectrum.mul_(kernel / ratio.addcmul_(kernel, kernel))
        chi = irfftn(spectrum, work.padded, work.scan.grid.shape)
        return Reconstruction(work.restore(chi), notes=(error.note,))
