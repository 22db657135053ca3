"""Total generalised variation by ADMM: slopes cost little, so that smooth tissue does not break into plateaus.

    x = argmin over x, v   data(d*x) + alpha1 || G x - v ||_1 + alpha0 || S v ||_1,   S v = (G v + (G v)^T) / 2

Bredies 2010; with the nonlinear data term Milovic 2018, doi 10.1002/mrm.27073. Split are
z1 = G x - v, z0 = S v and z2 = d*x; what is left for x and v is a 4 x 4 system at each frequency. With the Frobenius
norm of S v (each mixed derivative counts twice, as a matrix holds it) S^H S = (|E|^2 + E E^H) / 2, whose inverse with
mu1 added is known in closed form; with r the right-hand sides and e = |E|^2,

    x = (r_x + mu1 E^H r_v / (mu1 + mu0 e)) / (mu2 D^2 + mu1 mu0 e^2 / (mu1 + mu0 e))
    v = (g - E (E^H g) (mu0/2) / (mu1 + mu0 e)) / (mu1 + mu0 e / 2),   g = r_v + mu1 E x
"""

from __future__ import annotations

import numpy as np
import torch

from qsmbench.methods.convergence import Iteration
from qsmbench.methods.data_steps import DataStep
from qsmbench.methods.fast_box import FastBox
from qsmbench.physics.conjugate_gradients import dot
from qsmbench.physics.fourier import irfftn, rfftn
from qsmbench.physics.gradient import gradient_power

# The six entries of a symmetric matrix.
_PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


class TGVADMM:
    """The state of the iterations on a box.

    Args:
        work: the box; all volumes have its padded shape.
        first: alpha1.
        second: alpha0, mm times alpha1's unit.
        penalties: mu1, mu0 and mu2, of the first and second derivatives and of the field.
    """

    def __init__(self, work: FastBox, first: float, second: float, penalties: tuple[float, float, float]) -> None:
        self.shape, self.voxel_size = work.padded, work.scan.grid.voxel_size
        self.mu1, self.mu0, self.mu2 = penalties
        self.limits = first / self.mu1, second / self.mu0
        device = work.scan.device
        self.kernel = work.kernel
        self._power = gradient_power(self.shape, self.voxel_size).to(device)
        self._transfer = _transfer_functions(work)
        self._slope = 1 / (self.mu1 + self.mu0 * self._power)
        self._inverse = self.kernel**2 * self.mu2 + self._power**2 * self._slope * (self.mu1 * self.mu0)
        self._inverse[0, 0, 0] = torch.inf
        self._inverse.reciprocal_()
        self.x = torch.zeros(self.shape, device=device)
        self.convolved, self.multiplier = torch.zeros_like(self.x), torch.zeros_like(self.x)
        # As in physics.shrinkage: u = prediction + multiplier is enough to hold z and s.
        self.u1 = torch.zeros((3, *self.shape), device=device)
        self.u0 = torch.zeros((6, *self.shape), device=device)

    def run(self, step: DataStep, iteration: Iteration, n_steps: int) -> torch.Tensor:
        """Iterate ``n_steps`` times or until x changes relatively by less than the tolerance; return x, (x, y, z)."""
        reflected = self._reflect(step)
        for _ in range(n_steps):
            last = self.x
            v = self._solve(reflected)
            self._update(v)
            reflected = self._reflect(step)
            change, norm = dot(last.sub_(self.x), last) ** 0.5, dot(self.x, self.x) ** 0.5
            if iteration.step(change / norm if norm > 0 else 0.0):
                break
        return self.x

    def _solve(self, reflected: torch.Tensor) -> list[torch.Tensor]:
        """New x and d*x; return v."""
        mu0, mu1 = self.mu0, self.mu1
        q1 = [_reflected(u, self.limits[0]) for u in self.u1]
        q0 = dict(zip(_PAIRS, (_reflected(u, self.limits[1]) for u in self.u0), strict=True))
        rhs = rfftn(reflected, self.shape).mul_(self.kernel * self.mu2)
        rhs.add_(rfftn(self._divergence(q1), self.shape), alpha=mu1)
        g = []
        along = torch.zeros_like(rhs)
        for i in range(3):
            row = [q0[min(i, j), max(i, j)] for j in range(3)]
            g.append(rfftn(self._divergence(row).mul_(mu0).sub_(q1[i], alpha=mu1), self.shape))
            along.add_(self._transfer[i].conj() * g[i])
        spectrum = rhs.add_(along * (self._slope * mu1)).mul_(self._inverse)
        # E^H g, g being complete.
        along.add_(spectrum * (self._power * mu1)).mul_(self._slope * (mu0 / 2))
        share = 1 / (mu1 + mu0 / 2 * self._power)
        v = []
        for i in range(3):
            g[i].add_(self._transfer[i] * (mu1 * spectrum - along)).mul_(share)
            v.append(irfftn(g[i], self.shape, self.shape))
        self.convolved = irfftn(spectrum * self.kernel, self.shape, self.shape)
        self.x = irfftn(spectrum, self.shape, self.shape)
        return v

    def _update(self, v: list[torch.Tensor]) -> None:
        for i in range(3):
            limit = self.limits[0]
            self.u1[i].clamp_(-limit, limit).add_(self._difference(self.x, i)).sub_(v[i])
        for k, (i, j) in enumerate(_PAIRS):
            limit = self.limits[1]
            mixed = self._difference(v[i], j)
            if i != j:
                mixed.add_(self._difference(v[j], i)).mul_(0.5)
            self.u0[k].clamp_(-limit, limit).add_(mixed)

    def _reflect(self, step: DataStep) -> torch.Tensor:
        u = self.convolved + self.multiplier
        z = step(u, self.mu2)
        torch.sub(u, z, out=self.multiplier)
        return z - self.multiplier

    def _difference(self, x: torch.Tensor, axis: int) -> torch.Tensor:
        return x.roll(-1, axis).sub_(x).div_(self.voxel_size[axis])

    def _divergence(self, g: list[torch.Tensor]) -> torch.Tensor:
        """G^T g, minus the divergence."""
        total = torch.zeros_like(g[0])
        for axis, h in enumerate(self.voxel_size):
            total.add_(g[axis].roll(1, axis).sub_(g[axis]), alpha=1 / h)
        return total


def _reflected(u: torch.Tensor, limit: float) -> torch.Tensor:
    return u - 2 * u.clamp(-limit, limit)


def _transfer_functions(work: FastBox) -> list[torch.Tensor]:
    """Of the forward differences along each axis, 1/mm: vectors that broadcast over the half spectrum."""
    found = []
    for axis, (n, h) in enumerate(zip(work.padded, work.scan.grid.voxel_size, strict=True)):
        m = np.arange(n if axis < 2 else n // 2 + 1)
        shape = [1, 1, 1]
        shape[axis] = -1
        values = ((np.exp(2j * np.pi * m / n) - 1) / h).astype(np.complex64).reshape(shape)
        found.append(torch.from_numpy(values).to(work.scan.device))
    return found
