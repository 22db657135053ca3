"""NDI: nonlinear dipole inversion by plain gradient descent, which stops before it learns the error.

    x <- x - tau ( D w sin(d*x - f) + beta x ),   chi = x / (2 pi gamma B0 dTE)

Polak 2020, doi 10.1002/nbm.4271: the gradient of w/2 |exp(i d*x) - exp(i f)|^2, f in radians; the number of steps n is
the regularization. Where w is 1 and the field within a quarter turn, n steps filter each frequency by

    x_n = (1 - q^n) F[f] / D,   q = 1 - tau D^2,   expected error  q^2n S + ((1 - q^n) / D)^2 E

with the spectra S of the tissue and E of the field's error, both estimated from the scan (`field_error`). n is where
the sum of that over k-space is least. `preset=paper` makes the authors' number of steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from qsmbench.core.scan import Scan
from qsmbench.methods.contract import Method, Reconstruction, parameter
from qsmbench.methods.convergence import Iteration
from qsmbench.methods.data_steps import in_radians
from qsmbench.methods.echo_spacing import echo_spacing_parameter, radians_per_ppm
from qsmbench.methods.fast_box import FastBox
from qsmbench.methods.field_error import FieldError, field_error
from qsmbench.physics.conjugate_gradients import dot
from qsmbench.physics.fourier import irfftn, rfftn

# The authors' toolbox.
PAPER_STEPS = 200


@dataclass(frozen=True)
class NDI(Method):
    """Nonlinear dipole inversion with early stopping (Polak 2020)."""

    preset: str = parameter("auto", "steps from the scan's error, or the paper's 200", choices=("auto", "paper"))
    steps: int | None = parameter(None, "of the descent; by default the preset's", at_least=1)
    step_size: float = parameter(
        2.0, "tau over the inverse of the largest weight (toolbox); it diverges from 4.5 on", above=0, below=4.5
    )
    ridge: float = parameter(1e-5, "beta, of the map's own square (toolbox)", at_least=0)
    max_iterations: int = parameter(200, "most steps that preset=auto chooses", at_least=1)
    echo_spacing: float | None = echo_spacing_parameter()
    padding: float = parameter(1.25, "enlargement of the mask's box against wrap-around", at_least=1)

    def invert(self, scan: Scan) -> Reconstruction:
        """Descend on the mask's box."""
        scale = radians_per_ppm(scan, self.echo_spacing)
        work, field, weights = in_radians(scan, scale, self.padding)
        shape, kernel = work.padded, work.kernel
        n_steps, notes = self._steps(scan, work, kernel)
        tau = self.step_size / float(weights.max())
        x = torch.zeros_like(field)
        predicted = torch.zeros_like(field)
        with Iteration("NDI", "relative update", 0.0, n_steps) as iteration:
            for _ in range(n_steps):
                slope = rfftn(torch.sin(predicted.sub_(field)).mul_(weights), shape).mul_(kernel)
                update = irfftn(slope, shape, shape).add_(x, alpha=self.ridge).mul_(-tau)
                x.add_(update)
                predicted = irfftn(rfftn(x, shape).mul_(kernel), shape, shape)
                norm = dot(x, x) ** 0.5
                iteration.step(dot(update, update) ** 0.5 / norm if norm > 0 else 0.0)
            # The number of steps is the regularization: all of them done is what was asked for.
            iteration.converged = True
        return Reconstruction(work.restore(x.div_(scale)), (iteration.convergence,), notes=notes)

    def _steps(self, scan: Scan, work: FastBox, kernel: torch.Tensor) -> tuple[int, tuple[str, ...]]:
        if self.steps is not None:
            return self.steps, ()
        if self.preset == "paper":
            return PAPER_STEPS, ()
        error = field_error(scan)
        n = best_steps(error, work, kernel, self.step_size, self.max_iterations)
        notes: tuple[str, ...] = (error.note, f"{n} steps chosen by it")
        if n == self.max_iterations:
            notes = (*notes, "more steps than max_iterations would have been better")
        return n, notes


def best_steps(error: FieldError, work: FastBox, kernel: torch.Tensor, step_size: float, most: int) -> int:
    """Number of steps of the least expected error over k-space, at most ``most``.

    The error depends on a frequency through |k| and D alone; a histogram over both holds all of them.
    """
    grid = work.scan.grid
    signal = error.signal.volume(work.padded, grid.voxel_size).double().flatten().numpy()
    noise = error.error.volume(work.padded, grid.voxel_size).double().flatten().numpy()
    squared = kernel.cpu().double().square().flatten().numpy()
    # Samples of about the same D^2 share q: sums of S and E over such bins are enough.
    edges = np.concatenate([[0.0], np.geomspace(1e-5, 4 / 9 + 1e-3, 400)])
    place = np.digitize(squared, edges) - 1
    n_bins = len(edges)
    count = np.maximum(np.bincount(place, minlength=n_bins), 1)
    d2 = np.bincount(place, squared, n_bins) / count
    s, e = np.bincount(place, signal, n_bins), np.bincount(place, noise, n_bins)
    n = np.unique(np.geomspace(1, most, 60).round().astype(int))
    left = (1 - step_size * d2)[None, :] ** n[:, None]
    # (1 - q^n)^2 / D^2 tends to zero with D.
    gain = np.where(d2 > 0, (1 - left) ** 2 / np.maximum(d2, 1e-12), 0.0)
    return int(n[np.argmin(left**2 @ s + gain @ e)])
