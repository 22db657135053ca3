"""MEDI: the field explains the complex signal, and chi has edges only where the magnitude has some.

    x = argmin  || s G x ||_1  +  lambda || m (exp(i d*x) - exp(i f)) ||^2,   chi = x / (2 pi gamma B0 dTE)

Liu T. 2011, doi 10.1002/mrm.22816; Liu J. 2012, doi 10.1016/j.neuroimage.2011.08.082; the nonlinear data term: Liu T.
2013, doi 10.1002/mrm.24272; MEDI+0: Liu Z. 2018, doi 10.1002/mrm.26946. x and the field f are in radians of one echo
spacing dTE, G is the forward difference per mm, each component of which counts on its own, s = 0 on the magnitude's
edges, m the weight of the data. The defaults are those of the MEDI toolbox (MEDI_L1, 2017), whose x is free outside
the mask too and takes up what sources there leave in the field. Without a magnitude no edges are known and s = 1: plain
total variation. (Edges taken from an L2 map of the field itself would lower the error on clean fields and follow the
streaks of noisy ones.)

Gauss-Newton with |g| held as g^2 / sqrt(g^2 + epsilon), solved by conjugate gradients, preconditioned here by the
operator's mean in k-space (half the iterations, the same minimum). Both are upper bounds of what they replace (2 - 2
cos r <= r^2), so the smoothed objective falls in every step, without a line search and for any field: nothing diverges.
The constant that neither term determines is set so that the mean over the box is zero, as over the volume in the
toolbox, unless CSF is the reference. A field that turns the phase by more than pi a dTE stays ambiguous, as in any
nonlinear data term.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid, Shape
from qsmbench.core.scan import Scan
from qsmbench.methods.contract import Method, Reconstruction, parameter
from qsmbench.methods.convergence import Convergence, Iteration
from qsmbench.methods.csf_mask import read_csf
from qsmbench.methods.echo_spacing import echo_spacing_parameter, radians_per_ppm
from qsmbench.methods.fast_box import fast_box
from qsmbench.methods.field_error import chosen_by_error, rule_factor_parameter, tv_weight
from qsmbench.methods.medi_weights import data_weights, smooth_components
from qsmbench.methods.notes import note
from qsmbench.physics.conjugate_gradients import conjugate_gradients, dot
from qsmbench.physics.differences import gradient, reweighted, weighted_laplacian
from qsmbench.physics.fourier import FourierFilter
from qsmbench.physics.gradient import gradient_power
from qsmbench.physics.smv import sphere_mean

logger = logging.getLogger(__name__)

PAPER_FIDELITY = 1000.0
# Of the update that ends the steps, and of each solve: many loose steps get nearer to the minimum than few strict ones.
PAPER_TOLERANCES, _TOLERANCES = (0.1, 0.01), (0.03, 0.1)


@dataclass(frozen=True)
class NewtonStep:
    """One Gauss-Newton step: conjugate-gradient iterations, |dx| / |x|, both parts of the objective afterwards."""

    n_cg: int
    cg_residual: float
    update: float
    regularization: float
    data: float

    @property
    def objective(self) -> float:
        """What is minimised, with the smoothed L1 norm."""
        return self.regularization + self.data


@dataclass(frozen=True)
class MEDI(Method):
    """Morphology-enabled dipole inversion, nonlinear by default, with the MEDI toolbox's defaults."""

    fidelity: float | None = parameter(
        None, "lambda, in front of the data term; by default from the error of the field", above=0
    )
    preset: str = parameter("auto", "paper: lambda is 1000 (MEDI toolbox), if not given", choices=("auto", "paper"))
    rule_factor: float = rule_factor_parameter()
    data_term: str = parameter(
        "nonlinear", "complex exponentials (Liu 2013), or linear in the field", choices=("nonlinear", "linear")
    )
    edge_fraction: float = parameter(
        0.3, "share of gradient components that are edges (toolbox: 0.9 of the number of voxels)", at_least=0, below=1
    )
    echo_spacing: float | None = echo_spacing_parameter()
    tolerance: float | None = parameter(
        None, "stop when |dx| / |x| is below; by default 0.03, the toolbox's 0.1 for the paper", at_least=0
    )
    max_iterations: int = parameter(10, "most Gauss-Newton steps (MEDI toolbox)", at_least=1)
    cg_tolerance: float | None = parameter(
        None, "relative residual of each solve; by default 0.1, the toolbox's 0.01 for the paper", above=0, below=1
    )
    cg_max_iterations: int = parameter(100, "most iterations of each linear solve (MEDI toolbox)", at_least=1)
    epsilon: float = parameter(1e-6, "smoothing of the L1 norm, (rad/mm)^2 (MEDI toolbox)", above=0)
    smv: bool = parameter(False, "filter field and kernel by 1 - spherical mean; the mask shrinks by the radius")
    smv_radius: float = parameter(5.0, "radius of that sphere, mm (MEDI toolbox)", above=0)
    merit: bool = parameter(False, "raise the noise of voxels whose residual exceeds 6 standard deviations (MERIT)")
    csf_mask: str | None = parameter(None, "NIfTI file of ventricular CSF: MEDI+0, chi is zero in its mean")
    csf_fidelity: float = parameter(100.0, "lambda_CSF, for a uniform chi in CSF (Liu Z. 2018)", at_least=0)
    padding: float = parameter(1.0, "enlargement of the mask's box against wrap-around", at_least=1)

    def invert(self, scan: Scan) -> Reconstruction:
        """Minimise on the mask's box; see :meth:`solve`."""
        method, notes = self._settled(scan)
        chi, _, course = method.solve(scan)
        return Reconstruction(chi, (course,), notes=notes)

    def _settled(self, scan: Scan) -> tuple[MEDI, tuple[str, ...]]:
        """The method with lambda and tolerances settled, and what to say of it."""
        chosen, notes = chosen_by_error(
            scan,
            # Half the squared residual weighs one in TV, lambda times all of it here.
            lambda error: 1 / (2 * radians_per_ppm(scan, self.echo_spacing) * tv_weight(error)),
            "lambda",
            given=self.fidelity,
            preset=self.preset,
            paper=PAPER_FIDELITY,
            factor=self.rule_factor,
        )
        update, residual = PAPER_TOLERANCES if self.preset == "paper" else _TOLERANCES
        return replace(
            self,
            fidelity=chosen,
            tolerance=update if self.tolerance is None else self.tolerance,
            cg_tolerance=residual if self.cg_tolerance is None else self.cg_tolerance,
        ), notes

    def solve(self, scan: Scan) -> tuple[torch.Tensor, list[NewtonStep], Convergence]:
        """Return chi (x, y, z) in ppm, the steps that led there, and the course of their updates.

        Raises:
            InputError: a CSF mask of another shape or empty, a mask that the SMV filter leaves empty, a noise map of
                zeros.
        """
        if None in {self.fidelity, self.tolerance, self.cg_tolerance}:
            return self._settled(scan)[0].solve(scan)
        scale = radians_per_ppm(scan, self.echo_spacing)
        work = fast_box(scan, self.padding)
        csf = None if self.csf_mask is None else read_csf(self.csf_mask, scan)[work.box].contiguous()
        field, mask, noise = work.scan.local_field, work.scan.mask, work.scan.field_noise
        grid, kernel = work.scan.grid, work.kernel
        if self.smv:
            sphere = sphere_mean(work.padded, grid.voxel_size, self.smv_radius).to(scan.device)
            mean = FourierFilter(sphere, grid.shape, work.padded)
            mask = mask & (mean(mask.to(torch.float32)) > 0.999)
            if not mask.any():
                raise InputError(f"no voxel lies {self.smv_radius:g} mm inside the mask; lower smv_radius")
            field = torch.where(mask, field - mean(field), 0.0)
            noise = None if noise is None else (mean(noise**2).clamp_(min=0) + noise**2).sqrt_()
            kernel = kernel * (1 - sphere)
        if work.scan.magnitude is None:
            note("warning: no magnitude was given, so that no edges are known: this is total variation")
            smooth = torch.ones((3, *grid.shape), dtype=torch.bool, device=scan.device)
        else:
            note("edges are those of the magnitude")
            smooth = smooth_components(work.scan.magnitude, mask, self.edge_fraction, grid.voxel_size)
        problem = _Problem(self, grid, work.padded, kernel, field * scale, mask, smooth, csf)
        x, steps, course = problem.minimise(noise)
        # Neither term sees a constant, but for what the box's edge makes of it: conjugate gradients may end at any.
        x -= _mean(x) if csf is None else float(x[csf].double().mean())
        return work.restore(torch.where(mask, x / scale, 0.0)), steps, course


@dataclass(frozen=True, eq=False)
class _Problem:
    """The objective on the mask's box, in radians."""

    options: MEDI
    grid: Grid
    padded: Shape
    kernel: torch.Tensor
    field: torch.Tensor
    mask: torch.Tensor
    smooth: torch.Tensor
    csf: torch.Tensor | None

    @property
    def fidelity(self) -> float:
        """Lambda, settled before."""
        return _known(self.options.fidelity)

    @cached_property
    def convolve(self) -> FourierFilter:
        """The dipole convolution d*."""
        return FourierFilter(self.kernel, self.grid.shape, self.padded)

    @cached_property
    def power(self) -> torch.Tensor:
        """|G|^2 in k-space."""
        return gradient_power(self.padded, self.grid.voxel_size).to(self.field.device)

    def minimise(self, noise: torch.Tensor | None) -> tuple[torch.Tensor, list[NewtonStep], Convergence]:
        """Gauss-Newton from zero until the update is small."""
        options, twice = self.options, 2 * self.fidelity
        x, fx = torch.zeros_like(self.field), torch.zeros_like(self.field)
        weights = data_weights(noise, self.mask)
        steps: list[NewtonStep] = []
        with Iteration("MEDI", "relative update", _known(options.tolerance), options.max_iterations) as iteration:
            for _ in range(options.max_iterations):
                squared = weights * weights
                lagged = reweighted(x, self.smooth, options.epsilon, self.grid.voxel_size)
                normal = self._normal(lagged, squared)
                misfit = fx - self.field
                if options.data_term == "nonlinear":
                    misfit.sin_()
                slope = self._regularizer(x, lagged).add_(self.convolve(misfit.mul_(squared)), alpha=twice)
                found = conjugate_gradients(
                    normal,
                    slope.neg_(),
                    self._preconditioner(lagged, squared),
                    tolerance=_known(options.cg_tolerance),
                    max_iterations=options.cg_max_iterations,
                )
                before = dot(x, x) ** 0.5
                x += found.x
                update = dot(found.x, found.x) ** 0.5 / before if before > 0 else 1.0
                fx = self.convolve(x)
                steps.append(
                    NewtonStep(found.n_iterations, found.residual, update, self._l1(x), self._data(fx, squared))
                )
                logger.debug("MEDI step %d: %s", len(steps), steps[-1])
                if iteration.step(update, converged=dot(x, x) == 0):
                    break
                if options.merit:
                    noise = self._tuned(noise, weights, fx)
                    weights = data_weights(noise, self.mask)
        return x, steps, iteration.convergence

    def _normal(self, lagged: torch.Tensor, squared: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
        def apply(dx: torch.Tensor) -> torch.Tensor:
            image = self.convolve(self.convolve(dx).mul_(squared))
            return self._regularizer(dx, lagged).add_(image, alpha=2 * self.fidelity)

        return apply

    def _regularizer(self, x: torch.Tensor, lagged: torch.Tensor) -> torch.Tensor:
        y = weighted_laplacian(x, lagged, self.grid.voxel_size)
        if self.csf is not None:
            values = x[self.csf]
            # As in the toolbox the factor is lambda_CSF, half of the gradient of lambda_CSF |.|^2.
            y[self.csf] += self.options.csf_fidelity * (values - values.double().mean().float())
        return y

    def _preconditioner(self, lagged: torch.Tensor, squared: torch.Tensor) -> FourierFilter:
        """Invert the operator with both weights replaced by their means: diagonal in k-space."""
        inside = _mean(lagged * self.mask) * self.mask.numel() / float(self.mask.sum())
        mean = self.power * max(inside, 1e-12)
        mean.add_(self.kernel**2, alpha=2 * self.fidelity * _mean(squared))
        # The mean of x is in the null space of the differences and of the dipole alike; CG must only leave it alone.
        mean[0, 0, 0] = mean.flatten()[1:].min()
        return FourierFilter(mean.reciprocal_(), self.grid.shape, self.padded)

    def _l1(self, x: torch.Tensor) -> float:
        g = gradient(x, self.grid.voxel_size)
        return _sum(g.mul_(g).add_(self.options.epsilon).sqrt_().mul_(self.smooth))

    def _data(self, fx: torch.Tensor, squared: torch.Tensor) -> float:
        return self.fidelity * dot(self._residual(fx).square_(), squared)

    def _residual(self, fx: torch.Tensor) -> torch.Tensor:
        """|exp(i d*x) - exp(i f)| = 2 |sin(r / 2)|, or |r| where the data term is linear."""
        r = fx - self.field
        return r.abs_() if self.options.data_term == "linear" else r.mul_(0.5).sin_().abs_().mul_(2)

    def _tuned(self, noise: torch.Tensor | None, weights: torch.Tensor, fx: torch.Tensor) -> torch.Tensor:
        """MERIT (Liu T. 2013): noise times the square of what the residual has beyond 6 standard deviations."""
        if self.options.data_term == "linear":
            squared = self._centred(weights * (fx - self.field)).square_()
        else:
            squared = self._centred(weights * (fx.cos() - self.field.cos())).square_()
            squared += self._centred(weights * (fx.sin() - self.field.sin())).square_()
        residual = squared.sqrt_()
        limit = 6 * float(residual[self.mask].double().std(correction=0))
        grown = residual.div_(max(limit, 1e-12)).clamp_(min=1).square_()
        return grown if noise is None else noise * grown

    def _centred(self, values: torch.Tensor) -> torch.Tensor:
        return values - values[self.mask].double().mean().float()


def _known(value: float | None) -> float:
    if value is None:
        raise ValueError("a parameter that follows the scan is not settled")
    return value


def _sum(x: torch.Tensor) -> float:
    return float(np.sum(x.numpy(), dtype=np.float64)) if x.device.type == "cpu" else float(x.double().sum())


def _mean(x: torch.Tensor) -> float:
    return _sum(x) / x.numel()
