"""TV: total-variation-regularized inversion by ADMM, linear or nonlinear in the field.

    x = argmin  1/2 || m (d*x - f) ||^2  +  alpha || G x ||_1,   chi = x / (2 pi gamma B0 dTE)

with f in radians of one echo spacing, or with 1/2 |exp(i d*x) - exp(i f)|^2 as data term. Splitting both G x (Bilgic
2014, doi 10.1002/mrm.25029) and d*x (FANSI: Milovic 2018, doi 10.1002/mrm.27073) leaves a division in k-space, a soft
threshold and a voxelwise equation in each iteration; the weights m then cost nothing, so that the field outside the
mask is unknown and not zero. Penalties as in FANSI: 100 alpha for the gradient, 1 for the field.

alpha is given, or follows the error of the field, as estimated from the scan (`field_error`). FANSI's usual 2e-4 and
the balance of MEDI's lambda = 1000, 5e-4 (alpha = 1 / (2 lambda)), suit cleaner fields than scanners measure.
"""

from __future__ import annotations

from dataclasses import dataclass

from qsmbench.core.scan import Scan
from qsmbench.methods.contract import Method, Reconstruction, parameter
from qsmbench.methods.convergence import Iteration
from qsmbench.methods.data_steps import in_radians, linear_step, nonlinear_step
from qsmbench.methods.echo_spacing import echo_spacing_parameter, radians_per_ppm
from qsmbench.methods.field_error import chosen_by_error, rule_factor_parameter, tv_weight
from qsmbench.methods.variation_admm import VariationADMM

PAPER_REGULARIZATION = 2e-4


@dataclass(frozen=True)
class TV(Method):
    """Total variation by ADMM (Bilgic 2014, Milovic 2018)."""

    regularization: float | None = parameter(
        None, "alpha, rad mm (half the inverse of MEDI's lambda); by default from the error of the field", above=0
    )
    preset: str = parameter("auto", "paper: alpha is 2e-4, FANSI's, where none is given", choices=("auto", "paper"))
    rule_factor: float = rule_factor_parameter()
    data_term: str = parameter(
        "linear", "linear in the field, or nonlinear: complex exponentials", choices=("linear", "nonlinear")
    )
    echo_spacing: float | None = echo_spacing_parameter()
    gradient_penalty: float = parameter(100.0, "ADMM penalty of the gradient over alpha (FANSI)", above=0)
    field_penalty: float = parameter(1.0, "ADMM penalty of the field (FANSI)", above=0)
    tolerance: float = parameter(5e-3, "stop when |x - last x| / |x| is below", at_least=0)
    max_iterations: int = parameter(150, "most ADMM iterations (FANSI)", at_least=1)
    padding: float = parameter(1.0, "enlargement of the mask's box against wrap-around", at_least=1)

    def invert(self, scan: Scan) -> Reconstruction:
        """Iterate on the mask's box."""
        scale = radians_per_ppm(scan, self.echo_spacing)
        alpha, notes = self._weight(scan, scale)
        work, field, weights = in_radians(scan, scale, self.padding)
        step = (linear_step if self.data_term == "linear" else nonlinear_step)(field, weights)
        admm = VariationADMM(work, alpha, self.gradient_penalty * alpha, self.field_penalty)
        with Iteration("TV", "relative update", self.tolerance, self.max_iterations) as iteration:
            x = admm.run(step, iteration, self.max_iterations)
        return Reconstruction(work.restore(x.div_(scale)), (iteration.convergence,), notes=notes)

    def _weight(self, scan: Scan, scale: float) -> tuple[float, tuple[str, ...]]:
        """Alpha, rad mm, and what to say of it."""
        return chosen_by_error(
            scan,
            lambda error: scale * tv_weight(error),
            "alpha",
            "rad mm",
            given=self.regularization,
            preset=self.preset,
            paper=PAPER_REGULARIZATION,
            factor=self.rule_factor,
        )
