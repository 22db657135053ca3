"""L2: the closed-form inversion with gradient regularization.

    chi = argmin || D F chi - F field ||^2 + lambda || G chi ||^2
        = F^-1[ D F[field] / ( D^2 + lambda sum_i |E_i|^2 ) ]

Bilgic 2014, doi 10.1002/mrm.25029. E_i = 1 - exp(-2 pi i k_i) is the transfer function of the first difference along
axis i. Differences are taken per mm here (divided by the voxel size), so that lambda means the same smoothness on
an anisotropic grid; at 1 mm isotropic this is the paper's operator. lambda is given, or chosen from the scan: by the
error of its field (`field_error`), or by the classical rules (`selection`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from qsmbench.core.errors import InputError
from qsmbench.core.scan import Scan
from qsmbench.methods.contract import Method, Reconstruction, parameter
from qsmbench.methods.field_error import field_error, l2_weight, rule_factor_parameter
from qsmbench.methods.place import Place
from qsmbench.methods.selection import by_discrepancy, by_gcv, by_lcurve, tradeoff
from qsmbench.physics.dipole import DEFAULT_PADDING, DipoleConvolution
from qsmbench.physics.fourier import FourierFilter, rfftn
from qsmbench.physics.gradient import gradient_power


@dataclass(frozen=True)
class L2(Method):
    """Closed-form gradient-regularized least squares (Bilgic 2014), linear in the field where lambda is fixed."""

    regularization: float | None = parameter(None, "lambda, mm^2; by default chosen from the scan", above=0)
    selection: str = parameter(
        "auto",
        "how lambda is chosen: by the error of the field; cross-validation; field_noise; corner of the L-curve",
        choices=("auto", "gcv", "discrepancy", "lcurve"),
    )
    preset: str = parameter(
        "auto", "paper: selection=lcurve where no lambda is given (Bilgic 2014)", choices=("auto", "paper")
    )
    rule_factor: float = rule_factor_parameter()
    padding: float = parameter(DEFAULT_PADDING, "zero-padding factor against wrap-around", at_least=1)

    def invert(self, scan: Scan) -> Reconstruction:
        """Apply the closed form on the padded grid."""
        dipole, penalty = self._operators(scan)
        regularization, notes = self._choose(scan, dipole, penalty)
        denominator = penalty.mul_(regularization).addcmul_(dipole.kernel, dipole.kernel)
        denominator[0, 0, 0] = 1.0
        chi = FourierFilter(dipole.kernel / denominator, dipole.shape, dipole.padded)(scan.local_field)
        return Reconstruction(chi, notes=notes)

    def choose(self, scan: Scan) -> float:
        """Return the lambda, mm^2, that this scan is inverted with.

        Raises:
            InputError: selection=discrepancy without a noise map, lcurve without a corner, a field of zeros with gcv or
                lcurve.
        """
        scan = Place.of(scan, self.margin).scan
        return self._choose(scan, *self._operators(scan))[0]

    def _operators(self, scan: Scan) -> tuple[DipoleConvolution, torch.Tensor]:
        dipole = DipoleConvolution(scan.grid, self.padding, scan.device)
        return dipole, gradient_power(dipole.padded, scan.grid.voxel_size).to(scan.device)

    def _choose(self, scan: Scan, dipole: DipoleConvolution, penalty: torch.Tensor) -> tuple[float, tuple[str, ...]]:
        if self.regularization is not None:
            return self.regularization, ()
        selection = "lcurve" if self.preset == "paper" and self.selection == "auto" else self.selection
        if selection == "auto":
            error = field_error(scan)
            chosen = self.rule_factor * l2_weight(error)
            return chosen, (error.note, f"lambda chosen by it: {chosen:.3g} mm^2")
        if selection == "discrepancy" and scan.field_noise is None:
            raise InputError("selection=discrepancy needs the noise of the field (field_noise); or take selection=gcv")
        curves = tradeoff(rfftn(scan.local_field, dipole.padded), dipole.kernel, penalty, dipole.padded[2])
        if selection == "discrepancy":
            assert scan.field_noise is not None
            chosen = by_discrepancy(curves, float(scan.field_noise[scan.mask].double().square().sum()))
        else:
            chosen = by_gcv(curves) if selection == "gcv" else by_lcurve(curves)
        return chosen, (f"lambda chosen by selection={selection}: {chosen:.3g} mm^2",)
