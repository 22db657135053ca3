"""RESHARP: regularised spherical mean value filtering.

A background field is harmonic inside the mask, so C = 1 - (mean over a sphere) takes it away wherever the sphere lies
inside (M). The local field is what explains C total there with the least energy:

    local = argmin_x || M C (total - x) ||^2 + lambda || x ||^2,   (C M C + lambda) x = C M C total

Sun & Wilman 2014, doi 10.1002/mrm.24765; solved by conjugate gradients as there. C is real and even, hence its own
adjoint. C nearly vanishes at low spatial frequencies, which plain conjugate gradients therefore reach last, after some
80 steps. Preconditioning with (C^2 + mu)^-1, diagonal in k-space, starts near what direct deconvolution (SHARP) gives
and is near the minimiser in 30. Stopping much earlier leaves low frequencies in that lambda would take away: nearer to
the truth where the background is mild, farther where it is strong (docs/preparation.md has both).
"""

from __future__ import annotations

import torch

from qsmbench.physics.conjugate_gradients import conjugate_gradients
from qsmbench.physics.fourier import FourierFilter
from qsmbench.preparation.background.box import Box
from qsmbench.preparation.background.contract import Local, Total
from qsmbench.preparation.background.spheres import eroded, sphere_filter
from qsmbench.preparation.settings import Resharp


def resharp(total: Total, settings: Resharp) -> Local:
    """Remove the background by RESHARP; the mask loses ``settings.radius`` mm all around."""
    voxel_size = total.grid.voxel_size
    box = Box.around(total.mask, voxel_size, settings.radius)
    smv = sphere_filter(box.shape, voxel_size, settings.radius)
    mask = box.cut(total.mask)
    inner = eroded(mask, smv, voxel_size, settings.radius)
    high = 1 - smv.multiplier
    c = FourierFilter(high, box.shape, box.shape)

    def c_m_c(x: torch.Tensor) -> torch.Tensor:
        return c(c(x).mul_(inner))

    precondition = None
    if settings.preconditioner > 0:
        precondition = FourierFilter(1 / (high**2 + settings.preconditioner), box.shape, box.shape)
    solution = conjugate_gradients(
        lambda x: c_m_c(x).add_(x, alpha=settings.regularisation),
        c_m_c(box.cut(total.field)),
        precondition,
        tolerance=settings.tolerance,
        max_iterations=settings.iterations,
    )
    return Local(
        box.paste(solution.x.mul_(inner), total.grid.shape),
        box.paste(inner, total.grid.shape),
        {"IterationsDone": solution.n_iterations, "RelativeResidual": solution.residual},
    )
