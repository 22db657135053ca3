"""RTS: rapid two-step inversion, first what the field determines, then the rest by total variation.

    1.  x1 = a few LSMR iterations on D x = f in k-space, masked
    2.  chi = argmin || G x ||_1 + mu/2 || M F (x - x1) ||^2,   M = 1 where |D| > delta

Kames 2018, doi 10.1016/j.neuroimage.2017.11.018. LSMR (Fong & Saunders 2011, doi 10.1137/10079687X) minimises
|D (f - D x)| over its Krylov space, as conjugate residuals do on D^2 x = D f; few iterations recover large |D| and
leave out what noise owns. Step 2 is ADMM, a division in k-space and a soft threshold an iteration.

Its author's QSM.m stops LSMR after 4 iterations, which leaves the whole of chi too weak; the default here is 8. It is a
number of iterations and no limit of them: stopping is step 1's only regularization.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from qsmbench.core.scan import Scan
from qsmbench.methods.contract import Method, Reconstruction, parameter
from qsmbench.methods.convergence import Iteration
from qsmbench.methods.fast_box import fast_box
from qsmbench.methods.field_error import chosen_by_error, rule_factor_parameter, tv_weight
from qsmbench.physics.conjugate_gradients import dot
from qsmbench.physics.fourier import FourierFilter, irfftn, rfftn
from qsmbench.physics.gradient import gradient_power
from qsmbench.physics.shrinkage import reflected_divergence, shrink_update

PAPER_FIDELITY = 1e5
# Step 1 has divided the field's error by D: what TV sees of it weighs about as much less.
MEAN_SQUARED_KERNEL = 0.1


@dataclass(frozen=True)
class RTS(Method):
    """Rapid two-step inversion (Kames 2018)."""

    threshold: float = parameter(0.15, "delta: larger |D| is well-conditioned (QSM.m)", above=0, below=1)
    lsmr_iterations: int = parameter(8, "LSMR iterations of step 1, its only regularization (QSM.m: 4)", at_least=1)
    fidelity: float | None = parameter(
        None, "mu, 1/(ppm mm): hold of step 1 on its part of k-space; by default from the error of the field", above=0
    )
    preset: str = parameter("auto", "paper: mu is 1e5 (QSM.m) where none is given", choices=("auto", "paper"))
    rule_factor: float = rule_factor_parameter()
    penalty: float = parameter(100.0, "ADMM penalty rho, 1/(ppm/mm): speed alone", above=0)
    tolerance: float = parameter(1e-2, "stop when |x - last x| / |x| is below", at_least=0)
    max_iterations: int = parameter(50, "most ADMM iterations", at_least=1)
    padding: float = parameter(1.0, "enlargement of the mask's box against wrap-around", at_least=1)

    def invert(self, scan: Scan) -> Reconstruction:
        """Iterate on the mask's box."""
        fidelity, notes = self._fidelity(scan)
        work = fast_box(scan, self.padding)
        shape, voxel_size = work.padded, work.scan.grid.voxel_size
        kernel = work.kernel
        twice = FourierFilter(kernel**2, shape, shape)
        slope = FourierFilter(kernel, shape, shape)(work.pad(work.scan.local_field))
        x = _conjugate_residuals(twice, slope, self.lsmr_iterations).mul_(work.pad(work.scan.mask))

        held = (kernel.abs() > self.threshold).to(torch.float32).mul_(fidelity)
        inverse = held + gradient_power(shape, voxel_size).to(scan.device) * self.penalty
        inverse[0, 0, 0] = torch.inf
        inverse.reciprocal_()
        first = rfftn(x, shape).mul_(held)
        u = torch.zeros((3, *shape), device=scan.device)
        limit = 1 / self.penalty
        # Start from z = G x1 without a multiplier: |G x1| + t stands for it in the one variable of the shrinkage.
        shrink_update(u, x, 0.0, 1.0, voxel_size)
        u += u.sign() * limit
        with Iteration("RTS", "relative update", self.tolerance, self.max_iterations) as iteration:
            for _ in range(self.max_iterations):
                spectrum = rfftn(reflected_divergence(u, limit, voxel_size), shape).mul_(self.penalty)
                last, x = x, irfftn(spectrum.add_(first).mul_(inverse), shape, shape)
                shrink_update(u, x, limit, 1.0, voxel_size)
                change, norm = dot(last.sub_(x), last) ** 0.5, dot(x, x) ** 0.5
                if iteration.step(change / norm if norm > 0 else 0.0):
                    break
        return Reconstruction(work.restore(x), (iteration.convergence,), notes=notes)

    def _fidelity(self, scan: Scan) -> tuple[float, tuple[str, ...]]:
        """Mu, 1/(ppm mm), and what to say of it."""
        return chosen_by_error(
            scan,
            lambda error: MEAN_SQUARED_KERNEL / tv_weight(error),
            "mu",
            "1/(ppm mm)",
            given=self.fidelity,
            preset=self.preset,
            paper=PAPER_FIDELITY,
            factor=self.rule_factor,
        )


def _conjugate_residuals(
    operator: Callable[[torch.Tensor], torch.Tensor], b: torch.Tensor, n_iterations: int
) -> torch.Tensor:
    """Minimise |b - A x| over the Krylov space of A (symmetric, positive) and b, n_iterations large."""
    x, r = torch.zeros_like(b), b.clone()
    image = operator(r)
    direction, direction_image = r.clone(), image.clone()
    energy = dot(r, image)
    for iteration in range(n_iterations):
        length = dot(direction_image, direction_image)
        if length == 0:
            break
        x.add_(direction, alpha=energy / length)
        if iteration + 1 == n_iterations:
            break
        r.sub_(direction_image, alpha=energy / length)
        image = operator(r)
        energy, last = dot(r, image), energy
        direction.mul_(energy / last).add_(r)
        direction_image.mul_(energy / last).add_(image)
    return x
