"""Total variation by ADMM, whatever the data term: the iterations that TV, FANSI and HD-QSM share.

    x = argmin  data(d*x) + alpha || G x ||_1

Splitting both z1 = G x (Bilgic 2014, doi 10.1002/mrm.25029) and z2 = d*x (Milovic 2018, doi 10.1002/mrm.27073) leaves,
with the scaled multipliers s,

    x  = F^-1[ (mu2 D F(z2 - s2) + mu1 E^H F(z1 - s1)) / (mu2 D^2 + mu1 |E|^2) ]
    z1 = soft(G x + s1, alpha / mu1)       z2 = a `DataStep`       s <- s + (prediction - z)

E are the transfer functions of the periodic forward differences per mm. The mean of x is undetermined and left at zero.
"""

from __future__ import annotations

import torch

from qsmbench.methods.convergence import Iteration
from qsmbench.methods.data_steps import DataStep
from qsmbench.methods.fast_box import FastBox
from qsmbench.physics.conjugate_gradients import dot
from qsmbench.physics.fourier import irfftn, rfftn
from qsmbench.physics.gradient import gradient_power
from qsmbench.physics.shrinkage import reflected_divergence, shrink_update


class VariationADMM:
    """The state of the iterations on a box, which go on from where they are.

    Args:
        work: the box; all volumes have its padded shape.
        regularization: alpha.
        gradient_penalty: mu1.
        field_penalty: mu2.
    """

    def __init__(self, work: FastBox, regularization: float, gradient_penalty: float, field_penalty: float) -> None:
        self.shape, self.voxel_size = work.padded, work.scan.grid.voxel_size
        device = work.scan.device
        self.kernel = work.kernel
        self._power = gradient_power(self.shape, self.voxel_size).to(device)
        self.x = torch.zeros(self.shape, device=device)
        self.convolved = torch.zeros(self.shape, device=device)
        self.restart(regularization, gradient_penalty, field_penalty)

    def restart(self, regularization: float, gradient_penalty: float, field_penalty: float) -> None:
        """Set the weights, forget the multipliers and keep x: z1 = soft(G x), s1 = its rest, s2 = 0."""
        self.mu1, self.mu2, self.threshold = gradient_penalty, field_penalty, regularization / gradient_penalty
        self._inverse = self.kernel**2 * self.mu2 + self._power * self.mu1
        self._inverse[0, 0, 0] = torch.inf
        self._inverse.reciprocal_()
        self.u = torch.zeros((3, *self.shape), device=self.x.device)
        shrink_update(self.u, self.x, self.threshold, 1.0, self.voxel_size)
        self.multiplier = torch.zeros_like(self.x)

    def run(self, step: DataStep, iteration: Iteration, n_steps: int) -> torch.Tensor:
        """Iterate ``n_steps`` times or until x changes relatively by less than the tolerance; return x, (x, y, z)."""
        reflected = self._reflect(step)
        for _ in range(n_steps):
            spectrum = rfftn(reflected, self.shape).mul_(self.kernel * self.mu2)
            divergence = reflected_divergence(self.u, self.threshold, self.voxel_size)
            spectrum.add_(rfftn(divergence, self.shape), alpha=self.mu1).mul_(self._inverse)
            self.convolved = irfftn(spectrum * self.kernel, self.shape, self.shape)
            last, self.x = self.x, irfftn(spectrum, self.shape, self.shape)
            shrink_update(self.u, self.x, self.threshold, 1.0, self.voxel_size)
            reflected = self._reflect(step)
            change, norm = dot(last.sub_(self.x), last) ** 0.5, dot(self.x, self.x) ** 0.5
            if iteration.step(change / norm if norm > 0 else 0.0):
                break
        return self.x

    def _reflect(self, step: DataStep) -> torch.Tensor:
        """Find z2 for the x at hand, move its multiplier, and return z2 - s2."""
        v = self.convolved + self.multiplier
        z = step(v, self.mu2)
        torch.sub(v, z, out=self.multiplier)
        return z - self.multiplier
