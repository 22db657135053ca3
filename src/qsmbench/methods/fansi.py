"""FANSI: fast nonlinear inversion with total variation or total generalised variation, by ADMM.

    x = argmin  w/2 | exp(i d*x) - exp(i f) |^2 + alpha R(x),   chi = x / (2 pi gamma B0 dTE)

with f in radians of one echo spacing and R = |G x|_1 (`regularizer=tv`), or min_v |G x - v|_1 + 2 mm |S v|_1 (`tgv`).
Milovic 2018, doi 10.1002/mrm.27073. Splitting the gradient and the field leaves a division in k-space, soft thresholds
and one equation a voxel; see `variation_admm` and `tgv_admm`.

alpha follows the scan unless it is given: 1.3 times what `field_error` says for total variation, the factor chosen on
simulated fields with errors as measured ones have them. Once the iterations have settled to a percent, the field's
weights follow what is left of it by depth under the mask's rim (`depth_weights`), and they go on. `preset=paper` has
the authors' fixed weight, and none by depth.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from qsmbench.core.scan import Scan
from qsmbench.methods.contract import Method, Reconstruction, parameter
from qsmbench.methods.convergence import Iteration
from qsmbench.methods.data_steps import in_radians, nonlinear_step
from qsmbench.methods.depth_weights import depth_weights
from qsmbench.methods.echo_spacing import echo_spacing_parameter, radians_per_ppm
from qsmbench.methods.field_error import FieldError, chosen_by_error, rule_factor_parameter, tv_weight
from qsmbench.methods.tgv_admm import TGVADMM
from qsmbench.methods.variation_admm import VariationADMM

# Of the authors' toolbox, rad mm.
PAPER_REGULARIZATION = 2e-4
# Of the map that the weights by depth are taken from.
_DRAFT_TOLERANCE, _DRAFT_ITERATIONS = 1e-2, 30
# Over the weight for a field of even trust.
_FACTOR = 1.3


@dataclass(frozen=True)
class FANSI(Method):
    """Nonlinear total variation or total generalised variation (Milovic 2018)."""

    preset: str = parameter("auto", "alpha from the scan's error, or the paper's", choices=("auto", "paper"))
    rule_factor: float = rule_factor_parameter()
    regularizer: str = parameter("tv", "tv, or tgv: second derivatives too", choices=("tv", "tgv"))
    regularization: float | None = parameter(None, "alpha, rad mm; by default the preset's", above=0)
    second_order: float = parameter(2.0, "tgv: weight of the second derivatives over alpha, mm (toolbox)", above=0)
    depth_weighting: bool | None = parameter(
        None, "weigh the field by its error at each depth under the mask's rim; by default true, for the paper false"
    )
    echo_spacing: float | None = echo_spacing_parameter()
    gradient_penalty: float = parameter(100.0, "ADMM penalty of the derivatives over their weights (toolbox)", above=0)
    field_penalty: float = parameter(1.0, "ADMM penalty of the field (toolbox)", above=0)
    tolerance: float = parameter(5e-3, "stop when |x - last x| / |x| is below", at_least=0)
    max_iterations: int = parameter(150, "most ADMM iterations (toolbox)", at_least=1)
    padding: float = parameter(1.0, "enlargement of the mask's box against wrap-around", at_least=1)

    def invert(self, scan: Scan) -> Reconstruction:
        """Choose alpha and iterate on the mask's box."""
        scale = radians_per_ppm(scan, self.echo_spacing)
        alpha, notes = self._weight(scan, scale)
        work, field, weights = in_radians(scan, scale, self.padding)
        step = nonlinear_step(field, weights)
        penalty = self.gradient_penalty * alpha
        admm: VariationADMM | TGVADMM
        if self.regularizer == "tv":
            admm = VariationADMM(work, alpha, penalty, self.field_penalty)
        else:
            second = self.second_order * alpha
            admm = TGVADMM(work, alpha, second, (penalty, self.second_order * penalty, self.field_penalty))
        curves = []
        by_depth = self.preset == "auto" if self.depth_weighting is None else self.depth_weighting
        n_left = self.max_iterations
        if by_depth and n_left > 1:
            draft = min(self.max_iterations // 2, _DRAFT_ITERATIONS)
            with Iteration("FANSI, even weights", "relative update", _DRAFT_TOLERANCE, draft) as first:
                admm.run(step, first, draft)
                # A draft is good enough wherever it ends.
                first.converged = True
            curves.append(first.convergence)
            n_left -= len(first.convergence.values)
            nx, ny, nz = work.scan.grid.shape
            residual = torch.sin(field - admm.convolved)[:nx, :ny, :nz]
            trust = depth_weights(residual, work.scan.mask, work.scan.grid.voxel_size)
            step = nonlinear_step(field, weights * work.pad(trust))
        with Iteration("FANSI", "relative update", self.tolerance, n_left) as iteration:
            x = admm.run(step, iteration, n_left)
        curves.append(iteration.convergence)
        return Reconstruction(work.restore(x.div_(scale)), tuple(curves), notes=notes)

    def _weight(self, scan: Scan, scale: float) -> tuple[float, tuple[str, ...]]:
        """Alpha, rad mm, and what to say of it."""
        return chosen_by_error(
            scan,
            lambda error: scale * variation_weight(error),
            "alpha",
            "rad mm",
            given=self.regularization,
            preset=self.preset,
            paper=PAPER_REGULARIZATION,
            factor=self.rule_factor,
        )


def variation_weight(error: FieldError) -> float:
    """Weight of the total variation, ppm mm, beside half of the squared misfit in ppm of a field that is weighted."""
    return _FACTOR * tv_weight(error)
