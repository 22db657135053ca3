"""HD-QSM: total variation with a hybrid data term: absolute differences first, then squares weighted by what they left.

    1.  x1 = a few iterations on  || m (d*x - f) ||_1 + alpha1 || G x ||_1
    2.  chi = argmin  1/2 || w (d*x - f) ||^2 + alpha2 || G x ||_1 from x1,   w = m (1 - |f - d*x1| / its maximum)

Lambert 2022, doi 10.1002/mrm.29218. Absolute differences forgive voxels whose field is wrong; the weights then keep
those out of the squares. alpha1 and its penalty are the square roots of stage 2's. Fields are in ppm, no radians.

alpha2 follows the scan as FANSI's weight does unless it is given (`fansi`); `preset=paper` has the authors' example.
"""

from __future__ import annotations

from dataclasses import dataclass

from qsmbench.core.scan import Scan
from qsmbench.methods.contract import Method, Reconstruction, parameter
from qsmbench.methods.convergence import Iteration
from qsmbench.methods.data_steps import absolute_step, linear_step
from qsmbench.methods.fansi import variation_weight
from qsmbench.methods.fast_box import fast_box
from qsmbench.methods.field_error import chosen_by_error, rule_factor_parameter
from qsmbench.methods.medi_weights import data_weights
from qsmbench.methods.variation_admm import VariationADMM

# Of the authors' example: the weight, ppm mm, the penalty over it, and the iterations of stage 1.
PAPER_REGULARIZATION, PAPER_GRADIENT_PENALTY, PAPER_FIRST = 10**-4.785, 10.0, 20
# Stage 2 starts nearer to its end from a less finished first map.
_GRADIENT_PENALTY, _FIRST = 100.0, 5


@dataclass(frozen=True)
class HDQSM(Method):
    """Hybrid data term, two stages (Lambert 2022)."""

    preset: str = parameter("auto", "alpha2 from the scan's error, or the paper's", choices=("auto", "paper"))
    rule_factor: float = rule_factor_parameter()
    regularization: float | None = parameter(None, "alpha2, ppm mm; by default the preset's", above=0)
    gradient_penalty: float | None = parameter(
        None, "ADMM penalty of the gradient over alpha2, mm/ppm; by default 100, the paper's 10", above=0
    )
    field_penalty: float = parameter(1.0, "ADMM penalty of the field (paper)", above=0)
    first_iterations: int | None = parameter(None, "of stage 1; by default 5, the paper's 20", at_least=1)
    tolerance: float = parameter(1e-2, "stop stage 2 when |x - last x| / |x| is below (paper)", at_least=0)
    max_iterations: int = parameter(80, "most iterations of stage 2 (paper)", at_least=1)
    padding: float = parameter(1.0, "enlargement of the mask's box against wrap-around", at_least=1)

    def invert(self, scan: Scan) -> Reconstruction:
        """Do both stages on the mask's box."""
        alpha, penalty, notes = self._weights(scan)
        work = fast_box(scan, self.padding)
        field, mask = work.pad(work.scan.local_field), work.pad(work.scan.mask)
        trust = work.pad(data_weights(work.scan.field_noise, work.scan.mask))
        admm = VariationADMM(work, alpha**0.5, penalty**0.5, self.field_penalty)
        n_first = self.first_iterations or (PAPER_FIRST if self.preset == "paper" else _FIRST)
        with Iteration("HD-QSM, absolute", "relative update", 0.0, n_first) as first:
            admm.run(absolute_step(field, trust), first, n_first)
            # A fixed number of steps is what the stage is.
            first.converged = True
        left = (field - admm.convolved).abs_().mul_(mask)
        largest = float(left.max())
        if largest > 0:
            trust = trust * (1 - left.div_(largest))
        admm.restart(alpha, penalty, self.field_penalty)
        with Iteration("HD-QSM, squares", "relative update", self.tolerance, self.max_iterations) as second:
            x = admm.run(linear_step(field, trust.square_()), second, self.max_iterations)
        return Reconstruction(work.restore(x), (first.convergence, second.convergence), notes=notes)

    def _weights(self, scan: Scan) -> tuple[float, float, tuple[str, ...]]:
        paper = self.preset == "paper"
        alpha, notes = chosen_by_error(
            scan,
            variation_weight,
            "alpha2",
            "ppm mm",
            given=self.regularization,
            preset=self.preset,
            paper=PAPER_REGULARIZATION,
            factor=self.rule_factor,
        )
        ratio = self.gradient_penalty or (PAPER_GRADIENT_PENALTY if paper else _GRADIENT_PENALTY)
        return alpha, ratio * alpha, notes
