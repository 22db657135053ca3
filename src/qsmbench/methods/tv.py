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

import torch

from qsmbench.core.scan import Scan
from qsmbench.methods.contract import Method, Reconstruction, parameter
from qsmbench.methods.convergence import Iteration
from qsmbench.methods.echo_spacing import radians_per_ppm
from qsmbench.methods.fast_box import fast_box
from qsmbench.methods.field_error import field_error, tv_weight
from qsmbench.methods.medi_weights import data_weights
from qsmbench.physics.conjugate_gradients import dot
from qsmbench.physics.fourier import irfftn, rfftn
from qsmbench.physics.gradient import gradient_power
from qsmbench.physics.shrinkage import reflected_divergence, shrink_update

# Of the voxelwise equation; its error falls by w (1 - cos r) / (w + mu) a step, 16-fold for r = 0.5 rad and w = mu.
_INNER_STEPS = 5
PAPER_REGULARIZATION = 2e-4


@dataclass(frozen=True)
class TV(Method):
    """Total variation by ADMM (Bilgic 2014, Milovic 2018)."""

    regularization: float | None = parameter(
        None, "alpha, rad mm (half the inverse of MEDI's lambda); by default from the error of the field", above=0
    )
    preset: str = parameter("auto", "paper: alpha is 2e-4, FANSI's, where none is given", choices=("auto", "paper"))
    data_term: str = parameter(
        "linear", "linear in the field, or nonlinear: complex exponentials", choices=("linear", "nonlinear")
    )
    echo_spacing: float | None = parameter(
        None, "dTE, s; by default the scan's spacing (or single echo time), else 7 ms; B0 is 3 T if unknown", above=0
    )
    gradient_penalty: float = parameter(100.0, "ADMM penalty of the gradient over alpha (FANSI)", above=0)
    field_penalty: float = parameter(1.0, "ADMM penalty of the field (FANSI)", above=0)
    tolerance: float = parameter(5e-3, "stop when |x - last x| / |x| is below", at_least=0)
    max_iterations: int = parameter(150, "most ADMM iterations (FANSI)", at_least=1)
    padding: float = parameter(1.0, "enlargement of the mask's box against wrap-around", at_least=1)

    def invert(self, scan: Scan) -> Reconstruction:
        """Iterate on the mask's box."""
        scale = radians_per_ppm(scan, self.echo_spacing)
        alpha, notes = self._weight(scan, scale)
        work = fast_box(scan, self.padding)
        shape, voxel_size = work.padded, work.scan.grid.voxel_size
        weights = work.pad(data_weights(work.scan.field_noise, work.scan.mask)).square_()
        field = work.pad(work.scan.local_field).mul_(scale)
        mu_field, mu_gradient = self.field_penalty, self.gradient_penalty * alpha
        threshold = 1 / self.gradient_penalty
        kernel = work.kernel
        inverse = kernel**2 * mu_field + gradient_power(shape, voxel_size).to(scan.device) * mu_gradient
        # The mean of x is undetermined; leave it at zero.
        inverse[0, 0, 0] = torch.inf
        inverse.reciprocal_()

        x = torch.zeros_like(field)
        u = torch.zeros((3, *shape), device=scan.device)
        predicted = torch.zeros_like(field)
        reflected = self._field_step(predicted, predicted, field, weights)
        with Iteration("TV", "relative update", self.tolerance, self.max_iterations) as iteration:
            for _ in range(self.max_iterations):
                spectrum = rfftn(reflected, shape).mul_(kernel * mu_field)
                spectrum.add_(rfftn(reflected_divergence(u, threshold, voxel_size), shape), alpha=mu_gradient)
                spectrum.mul_(inverse)
                convolved = irfftn(spectrum * kernel, shape, shape)
                last, x = x, irfftn(spectrum, shape, shape)
                shrink_update(u, x, threshold, 1.0, voxel_size)
                reflected = self._field_step(convolved, predicted, field, weights)
                change, norm = dot(last.sub_(x), last) ** 0.5, dot(x, x) ** 0.5
                if iteration.step(change / norm if norm > 0 else 0.0):
                    break
        return Reconstruction(work.restore(x.div_(scale)), (iteration.convergence,), notes=notes)

    def _weight(self, scan: Scan, scale: float) -> tuple[float, tuple[str, ...]]:
        """Alpha, rad mm, and what to say of it."""
        if self.regularization is not None:
            return self.regularization, ()
        if self.preset == "paper":
            return PAPER_REGULARIZATION, ()
        error = field_error(scan)
        alpha = scale * tv_weight(error)
        return alpha, (error.note, f"alpha chosen by it: {alpha:.3g} rad mm")

    def _field_step(
        self, convolved: torch.Tensor, multiplier: torch.Tensor, field: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        """Given d*x, set z = argmin data(z) + mu/2 |z - v|^2, v = d*x + s, and s <- v - z in place; return z - s."""
        v = convolved + multiplier
        mu = self.field_penalty
        share = weights / (weights + mu)
        if self.data_term == "linear":
            z = torch.lerp(v, field, share)
        else:
            z = v.clone()
            for _ in range(_INNER_STEPS):
                # cos is bounded by its parabola from z: each step lowers the voxel's objective, also across a wrap.
                z = torch.lerp(v, z - torch.sin(z - field), share)
        torch.sub(v, z, out=multiplier)
        return z - multiplier
