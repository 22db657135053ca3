"""L2: the closed-form inversion with gradient regularisation.

    chi = argmin || D F chi - F field ||^2 + lambda || G chi ||^2
        = F^-1[ D F[field] / ( D^2 + lambda sum_i |E_i|^2 ) ]

Bilgic 2014, doi 10.1002/mrm.25029. E_i = 1 - exp(-2 pi i k_i) is the transfer function of the first difference along
axis i. Differences are taken per mm here (divided by the voxel size), so that lambda means the same smoothness on
an anisotropic grid; at 1 mm isotropic this is the paper's operator. lambda is given, or chosen from the scan.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from qsmbench.core.errors import InputError
from qsmbench.core.scan import Scan
from qsmbench.methods.contract import Method, parameter
from qsmbench.methods.selection import by_discrepancy, by_gcv, by_lcurve, tradeoff
from qsmbench.physics.dipole import DEFAULT_PADDING, DipoleConvolution
from qsmbench.physics.fourier import FourierFilter, rfftn
from qsmbench.physics.gradient import gradient_power


@dataclass(frozen=True)
class L2(Method):
    """Closed-form gradient-regularised least squares (Bilgic 2014), linear in the field where lambda is fixed."""

    regularization: float = parameter(
        5e-3, "lambda, mm^2, of selection=fixed; near the best on the 2016 head with 2.5 ppb of noise", above=0
    )
    selection: str = parameter(
        "fixed",
        "how lambda is found: as given; cross-validation; to match field_noise; corner of the L-curve",
        choices=("fixed", "gcv", "discrepancy", "lcurve"),
    )
    padding: float = parameter(DEFAULT_PADDING, "zero-padding factor against wrap-around", at_least=1)

    def invert(self, scan: Scan) -> torch.Tensor:
        """Apply the closed form on the padded grid."""
        dipole = DipoleConvolution(scan.grid, self.padding, scan.device)
        penalty = gradient_power(dipole.padded, scan.grid.voxel_size).to(scan.device)
        regularization = self._choose(scan, dipole, penalty)
        denominator = penalty.mul_(regularization).add_(dipole.kernel**2)
        denominator[0, 0, 0] = 1.0
        return FourierFilter(dipole.kernel / denominator, dipole.shape, dipole.padded)(scan.local_field)

    def choose(self, scan: Scan) -> float:
        """Return the lambda, mm^2, that this scan is inverted with.

        Raises:
            InputError: selection=discrepancy without a noise map, lcurve without a corner, a field of zeros.
        """
        dipole = DipoleConvolution(scan.grid, self.padding, scan.device)
        return self._choose(scan, dipole, gradient_power(dipole.padded, scan.grid.voxel_size).to(scan.device))

    def _choose(self, scan: Scan, dipole: DipoleConvolution, penalty: torch.Tensor) -> float:
        if self.selection == "fixed":
            return self.regularization
        if self.selection == "discrepancy" and scan.field_noise is None:
            raise InputError("selection=discrepancy needs the noise of the field (field_noise); or take selection=gcv")
        curves = tradeoff(rfftn(scan.local_field, dipole.padded), dipole.kernel, penalty, dipole.padded[2])
        if self.selection == "discrepancy":
            assert scan.field_noise is not None
            return by_discrepancy(curves, float(scan.field_noise[scan.mask].double().square().sum()))
        return by_gcv(curves) if self.selection == "gcv" else by_lcurve(curves)
