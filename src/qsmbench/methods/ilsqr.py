"""iLSQR: a least-squares map, minus the streaks it must contain.

    1. chi_0 = argmin || W^(1/2) ( d * chi - field ) ||, by LSQR (tolerance 0.01, at most 50 iterations)
    2. a FastQSM map, for where edges are (`fastqsm`)
    3. s     = argmin || W_G G ( chi_0 - s ) ||,  s = F^-1[ (|D| < 0.1) F[s] ], by LSQR
    4. chi   = chi_0 - s

Li 2015, doi 10.1016/j.neuroimage.2014.12.043. What varies where FastQSM is flat, and lies in the ill-conditioned cone
of k-space, is streaking. W is 1 below the 60th percentile of the field's Laplacian, 0 above the 99.9th, linear between;
W_G, for each component of the gradient G, the same of FastQSM's gradient between its 50th and 70th percentiles.

*Absolute* Laplacians and gradients are ranked. The weights are to vanish where the field varies wildly and at the
boundaries of susceptibility, and a boundary is one from either side. Gradients ranked with their sign (as QSM.m does)
take half of all edges for flat and subtract them as streaks, with a result that changes with the sense of the axes.
Differences are those between two voxels of the mask, and sources lie inside the mask: the field is local. (In the paper
chi is free in the whole volume.) docs/methods.md has the errors of both choices.

Three things are ours unless `preset=paper` says otherwise: the inversion stops earlier the worse the field is, W also
weighs it by depth under the mask's rim (`depth_weights`), by what a Wiener map leaves there, and a field so good that
the paper's stop holds is inverted directly:

`system`: the paper's equation 6 hands LSQR the normal equations, D W D chi = D W field, whose condition is the square
of the problem's. "direct" hands it W^(1/2) D: the same minimum with half the transforms, and closer to it after 50
iterations, so that no holes are left in strong veins, where W is small. On a field with much error it follows that
error too, however early it stops (docs/methods.md), so there the normal equations are the default.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Triple
from qsmbench.core.scan import Scan
from qsmbench.methods.contract import Method, Reconstruction, parameter
from qsmbench.methods.crop import crop_scan, mask_box, uncrop
from qsmbench.methods.depth_weights import depth_weights
from qsmbench.methods.fastqsm import fast_qsm
from qsmbench.methods.field_error import chosen_by_error, rule_factor_parameter
from qsmbench.methods.lsqr import Operator, Solution, lsqr
from qsmbench.methods.percentile_weights import falling_weights
from qsmbench.methods.wiener import Wiener
from qsmbench.physics.differences import gradient, gradient_adjoint
from qsmbench.physics.dipole import DipoleConvolution
from qsmbench.physics.fourier import FourierFilter
from qsmbench.physics.laplacian import masked_laplacian
from qsmbench.physics.smv import sphere_offsets

PAPER_TOLERANCE = 0.01
# Voxels: transforms of a larger sphere take gigabytes and minutes (microscopy, with radii meant for heads).
_WIDEST_SPHERE = 256


@dataclass(frozen=True, eq=False)
class Steps:
    """What each step found, on the mask's bounding box: maps in ppm, and how LSQR went."""

    initial: torch.Tensor
    fast: torch.Tensor
    streaks: torch.Tensor
    inversion: Solution
    removal: Solution


@dataclass(frozen=True)
class ILSQR(Method):
    """LSQR inversion with streaking artefacts estimated and removed (Li 2015)."""

    tolerance: float | None = parameter(
        None, "residual or gradient at which the inversion stops; by default 0.01 or more, from the error", above=0
    )
    preset: str = parameter("auto", "paper: tolerance is 0.01 where none is given (Li 2015)", choices=("auto", "paper"))
    rule_factor: float = rule_factor_parameter()
    depth_weighting: bool | None = parameter(
        None, "weigh the field by its error at each depth under the mask's rim; by default true, for the paper false"
    )
    max_iterations: int = parameter(50, "of each of the two LSQR solves (Li 2015)", at_least=1)
    system: str = parameter(
        "auto",
        "what LSQR is given: W^(1/2) D, the normal equations (Li 2015), or, by the error, the first where it is small",
        choices=("auto", "direct", "normal"),
    )
    laplacian_low: float = parameter(60.0, "percentile of |Laplacian| up to which W = 1", at_least=0, at_most=100)
    laplacian_high: float = parameter(99.9, "percentile of |Laplacian| from which W = 0", at_least=0, at_most=100)
    gradient_low: float = parameter(50.0, "percentile of |gradient| up to which W_G = 1", at_least=0, at_most=100)
    gradient_high: float = parameter(70.0, "percentile of |gradient| from which W_G = 0", at_least=0, at_most=100)
    cone: float = parameter(0.1, "streaks lie where |D| is below this (Li 2015)", above=0, at_most=0.67)
    smoothing_radius: float = parameter(3.0, "of FastQSM's sphere, mm (Li 2015)", at_least=0)
    padding: float = parameter(1.5, "enlargement of the mask's box against wrap-around", at_least=1)

    def invert(self, scan: Scan) -> Reconstruction:
        """Run the steps and subtract."""
        method, notes = self._with_tolerance(scan)
        steps = method.steps(scan)
        chi = uncrop(steps.initial - steps.streaks, mask_box(scan.mask), scan.grid)
        return Reconstruction(chi, (steps.inversion.convergence, steps.removal.convergence), notes=notes)

    def _with_tolerance(self, scan: Scan) -> tuple[ILSQR, tuple[str, ...]]:
        """The method with the inversion's tolerance and system settled, and what to say of it."""
        chosen, notes = chosen_by_error(
            scan,
            lambda error: min(max(3 * error.relative**2, PAPER_TOLERANCE), 0.1),
            "tolerance",
            given=self.tolerance,
            preset=self.preset,
            paper=PAPER_TOLERANCE,
            factor=self.rule_factor,
        )
        if self.system != "auto":
            return replace(self, tolerance=chosen), notes
        direct = self.tolerance is None and self.preset == "auto" and chosen <= PAPER_TOLERANCE
        if direct:
            notes += ("inverted directly, not by the normal equations: the field's error is small",)
        return replace(self, tolerance=chosen, system="direct" if direct else "normal"), notes

    def steps(self, scan: Scan) -> Steps:
        """Run steps 1 to 3 on the mask's bounding box, and keep what each gives."""
        scan = crop_scan(scan, mask_box(scan.mask))
        # The grid of the transforms must hold FastQSM's sphere, however small the mask.
        widest = 2 * self.smoothing_radius / min(scan.grid.voxel_size)
        if widest > _WIDEST_SPHERE:
            raise InputError(
                f"iLSQR: a sphere of smoothing_radius={self.smoothing_radius:g} mm is {widest:.0f} of these voxels "
                "wide; give a smaller --option smoothing_radius"
            )
        sphere = sphere_offsets(scan.grid.voxel_size, self.smoothing_radius).shape
        padding = max(self.padding, *(s / n for s, n in zip(sphere, scan.grid.shape, strict=True)))
        dipole = DipoleConvolution(scan.grid, padding, scan.device)
        inversion = self._inversion(scan, dipole)
        initial = inversion.x * scan.mask
        fast = fast_qsm(scan, dipole, self.smoothing_radius)
        in_cone = FourierFilter((dipole.kernel.abs() < self.cone).float(), dipole.shape, dipole.padded)
        del dipole
        weight = edge_weights(fast, scan.mask, scan.grid.voxel_size, (self.gradient_low, self.gradient_high))
        removal = self._removal(initial, weight, in_cone, scan.grid.voxel_size)
        streaks = in_cone(removal.x).mul_(scan.mask)
        return Steps(initial, fast, streaks, inversion, removal)

    def _inversion(self, scan: Scan, dipole: DipoleConvolution) -> Solution:
        percents = (self.laplacian_low, self.laplacian_high)
        laplacian = masked_laplacian(scan.local_field, scan.mask, scan.grid.voxel_size).abs_()
        weight = falling_weights(laplacian, scan.mask, percents)
        del laplacian
        field = scan.local_field
        if self.preset == "auto" if self.depth_weighting is None else self.depth_weighting:
            left = field - dipole(Wiener()(scan))
            weight.mul_(depth_weights(left, scan.mask, scan.grid.voxel_size).clamp_(max=1))
        if self.system == "direct":
            root = weight.sqrt_()
            return self._lsqr(
                lambda x: dipole(x).mul_(root), lambda y: dipole(root * y).mul_(scan.mask), root * field, "inversion"
            )

        def squared(x: torch.Tensor) -> torch.Tensor:
            return dipole(dipole(x).mul_(weight)).mul_(scan.mask)

        return self._lsqr(squared, squared, dipole(weight * field).mul_(scan.mask), "inversion")

    def _removal(
        self, initial: torch.Tensor, weight: torch.Tensor, in_cone: FourierFilter, voxel_size: Triple
    ) -> Solution:
        # The unknown is z with s = in_cone(z), so that s is confined to the cone whatever z is.
        return self._lsqr(
            lambda z: gradient(in_cone(z), voxel_size).mul_(weight),
            lambda g: in_cone(gradient_adjoint(weight * g, voxel_size)),
            gradient(initial, voxel_size).mul_(weight),
            "streak removal",
        )

    def _lsqr(self, forward: Operator, adjoint: Operator, b: torch.Tensor, step: str) -> Solution:
        return lsqr(
            forward,
            adjoint,
            b,
            tolerance=self.tolerance if step == "inversion" and self.tolerance else PAPER_TOLERANCE,
            max_iterations=self.max_iterations,
            name=f"iLSQR {step}",
        )


def edge_weights(
    fast: torch.Tensor, mask: torch.Tensor, voxel_size: Triple, percents: tuple[float, float]
) -> torch.Tensor:
    """W_G (3, x, y, z): 1 where ``fast`` is flat along an axis, 0 at edges and where a difference leaves the mask."""
    weight = gradient(fast, voxel_size).abs_()
    for axis in range(3):
        n = mask.shape[axis] - 1
        inside = torch.zeros_like(mask)
        inside.narrow(axis, 0, n).copy_(mask.narrow(axis, 0, n) & mask.narrow(axis, 1, n))
        weight[axis] = falling_weights(weight[axis], inside, percents)
    return weight
