"""RESHARP: regularized spherical mean value filtering.

A background field is harmonic inside the mask, so C = 1 - (mean over a sphere) takes it away wherever the sphere lies
inside (M). The local field is what explains C total there with the least energy:

    local = argmin_x || M C (total - x) ||^2 + lambda || x ||^2,   (C M C + lambda) x = C M C total

Sun & Wilman 2014, doi 10.1002/mrm.24765; solved by conjugate gradients as there. C is real and even, hence its own
adjoint. C nearly vanishes at low spatial frequencies, which plain conjugate gradients therefore reach last, after some
80 steps. Preconditioning with P = (C^2 + mu)^-1, diagonal in k-space, starts near what direct deconvolution (SHARP)
gives and is near the minimiser in 30. Stopping much earlier leaves low frequencies in that lambda would take away:
nearer to the truth where the background is mild, farther where it is strong (docs/preparation.md has both).

All but M is diagonal in k-space, so the iterates stay there: with y = P^-1/2 x a step is one transform forth and one
back. A half spectrum holds the planes between the first and the last of the last axis once in place of twice; y times
the root of two there makes sums over it what they are over the volume.
"""

from __future__ import annotations

import torch

from qsmbench.physics.conjugate_gradients import conjugate_gradients
from qsmbench.physics.fourier import FourierFilter, irfftn, rfftn
from qsmbench.preparation.background.box import Box
from qsmbench.preparation.background.contract import Local, Total
from qsmbench.preparation.background.spheres import eroded, sphere_filter
from qsmbench.preparation.settings import Resharp


def resharp(total: Total, settings: Resharp) -> Local:
    """Remove the background by RESHARP; the mask loses ``settings.radius`` mm all around."""
    voxel_size = total.grid.voxel_size
    box = Box.around(total.mask, voxel_size, settings.radius)
    shape = box.shape
    smv = sphere_filter(shape, voxel_size, settings.radius)
    mask = box.cut(total.mask)
    inner = eroded(mask, smv, voxel_size, settings.radius)
    high = 1 - smv.multiplier
    root = torch.ones_like(high)
    if settings.preconditioner > 0:
        root = (high**2 + settings.preconditioner).rsqrt_()
    # Real factors of both parts of a complex number, (X, Y, Z // 2 + 1, 1).
    half = _half_plane_roots(shape, high)
    into, out, diagonal = (
        t.unsqueeze(-1) for t in (root * high / half, root * high * half, settings.regularization * root**2)
    )

    def filtered(volume: torch.Tensor) -> torch.Tensor:
        return torch.view_as_real(rfftn(volume, shape)).mul_(out)

    def operator(y: torch.Tensor) -> torch.Tensor:
        volume = irfftn(torch.view_as_complex(y * into), shape, shape)
        return filtered(volume.mul_(inner)).add_(y * diagonal)

    solution = conjugate_gradients(
        operator,
        filtered(FourierFilter(high, shape, shape)(box.cut(total.field)).mul_(inner)),
        tolerance=settings.tolerance,
        max_iterations=settings.max_iterations,
    )
    spectrum = torch.view_as_complex(solution.x.mul_((root / half).unsqueeze(-1)))
    local = irfftn(spectrum, shape, shape).mul_(inner)
    return Local(
        box.paste(local, total.grid.shape),
        box.paste(inner, total.grid.shape),
        {"IterationsDone": solution.n_iterations, "RelativeResidual": solution.residual},
    )


def _half_plane_roots(shape: tuple[int, int, int], like: torch.Tensor) -> torch.Tensor:
    """Return the root of how often the volume's spectrum holds each plane of the half spectrum, (1, 1, Z // 2 + 1)."""
    roots = torch.full((shape[2] // 2 + 1,), 2.0, dtype=like.dtype, device=like.device).sqrt_()
    roots[0] = 1
    if shape[2] % 2 == 0:
        roots[-1] = 1
    return roots.reshape(1, 1, -1)
