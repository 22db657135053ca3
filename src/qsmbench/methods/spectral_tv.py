"""Spectral TV: total variation that knows the spectra of the error and of the tissue, estimated from the scan.

    x = argmin  1/2 sum_k Q |F(d*x - f)|^2 / N  +  theta/2 sum_k (s^2 / S) |F x|^2 / N  +  alpha || G x ||_1

with Q = s / sqrt(E): the error's power E, its level s and the tissue's power S are those of `field_error`. A Wiener
filter knows spectra and no edges, total variation knows edges and takes the error for white; on measured fields, whose
error grows towards low frequencies, each is right where the other is not. The square root in Q is half the way from
white noise (Q = 1) to the error's own spectrum (Q = s^2 / E), beside which no weight of the L1 norm suits all of
k-space. alpha is TV's own (`field_error.tv_weight`) times ``edges``; theta and ``edges``
were chosen on measured-like sets (docs/methods.md). The method is ours.

Fields are worse towards the mask's rim. Once the map has taken shape the field counts there by what it leaves
(`depth_weights`, at most 1): with trust w at a voxel, the iterations go on with w f + (1 - w) d*x in place of f.

All terms but the L1 norm are diagonal in k-space, so that ADMM (Boyd 2011, doi 10.1561/2200000016) takes two transforms
an iteration. Outside the mask the field is unknown, w = 0: filling it with d*x every few iterations minimises over it
(expectation-maximisation, Dempster 1977, doi 10.1111/j.2517-6161.1977.tb01600.x).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from qsmbench.core.scan import Scan
from qsmbench.methods.contract import Method, Reconstruction, parameter
from qsmbench.methods.convergence import Iteration
from qsmbench.methods.depth_weights import depth_weights
from qsmbench.methods.fast_box import FastBox, fast_box
from qsmbench.methods.field_error import field_error, tv_weight
from qsmbench.physics.conjugate_gradients import dot
from qsmbench.physics.fourier import irfftn, rfftn
from qsmbench.physics.gradient import gradient_power
from qsmbench.physics.shrinkage import reflected_divergence, shrink_update

# Iterations between two fillings of the field where it is not trusted, and before its trust by depth is asked for.
_REFILL, _DRAFT = 3, 9


@dataclass(frozen=True)
class SpectralTV(Method):
    """Total variation and spectra of signal and error, both from the scan (ours)."""

    edges: float = parameter(0.6, "alpha over that of TV", above=0)
    spectrum: float = parameter(0.15, "theta: weight of the tissue's spectrum", at_least=0)
    threshold: float = parameter(1.8e-3, "ADMM's soft threshold, ppm/mm: speed alone", above=0)
    tolerance: float = parameter(5e-3, "stop when |x - last x| / |x| is below", at_least=0)
    max_iterations: int = parameter(60, "most ADMM iterations", at_least=1)
    padding: float = parameter(1.0, "enlargement of the mask's box against wrap-around", at_least=1)

    def invert(self, scan: Scan) -> Reconstruction:
        """Estimate the spectra, then iterate on the mask's box."""
        error = field_error(scan)
        work = fast_box(scan, self.padding)
        shape, voxel_size, kernel = work.padded, work.scan.grid.voxel_size, work.kernel
        alpha = self.edges * tv_weight(error)
        penalty = alpha / self.threshold
        to_data = error.error.volume(shape, voxel_size).to(scan.device).rsqrt_().mul_(error.level).mul_(kernel)
        inverse = error.signal.volume(shape, voxel_size).to(scan.device).reciprocal_()
        inverse.mul_(self.spectrum * error.level**2).addcmul_(to_data, kernel)
        inverse.add_(gradient_power(shape, voxel_size).to(scan.device), alpha=penalty)
        # The mean of x is undetermined; leave it at zero.
        inverse[0, 0, 0] = torch.inf
        inverse.reciprocal_()

        field, trust = work.pad(work.scan.local_field), work.pad(work.scan.mask)
        data = rfftn(field, shape).mul_(to_data)
        x = torch.zeros_like(field)
        u = torch.zeros((3, *shape), device=scan.device)
        with Iteration("Spectral TV", "relative update", self.tolerance, self.max_iterations) as iteration:
            for step in range(1, self.max_iterations + 1):
                spectrum = rfftn(reflected_divergence(u, self.threshold, voxel_size), shape)
                spectrum.mul_(penalty).add_(data).mul_(inverse)
                if step % _REFILL == 0:
                    predicted = irfftn(spectrum * kernel, shape, shape)
                    if step == _DRAFT:
                        trust = _trust(work, field - predicted)
                    data = rfftn(torch.lerp(predicted, field, trust), shape).mul_(to_data)
                last, x = x, irfftn(spectrum, shape, shape)
                shrink_update(u, x, self.threshold, 1.0, voxel_size)
                change, norm = dot(last.sub_(x), last) ** 0.5, dot(x, x) ** 0.5
                if iteration.step(change / norm if norm > 0 else 0.0):
                    break
        notes = (error.note, f"alpha chosen by it: {alpha:.3g} ppm mm")
        return Reconstruction(work.restore(x), (iteration.convergence,), notes=notes)


def _trust(work: FastBox, residual: torch.Tensor) -> torch.Tensor:
    """Weights by depth on the padded box: one where the field is as good as at most voxels, zero outside the mask."""
    nx, ny, nz = work.scan.grid.shape
    weights = depth_weights(residual[:nx, :ny, :nz], work.scan.mask, work.scan.grid.voxel_size)
    return work.pad(weights.clamp_(max=1))
