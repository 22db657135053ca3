"""Sources inside and outside the mask fitted together; the field of those outside is the background.

    chi = argmin || W M (total - D chi) ||^2 + sum chi^2 / s^2,   s = s_in in the mask, s_out around it
    local = total - D (chi outside the mask)

PDF (de Rochefort 2010, doi 10.1002/mrm.22187; Liu 2011, doi 10.1002/nbm.1670) has no sources inside, so that the local
field is noise to it and pulls sources to the rim. Here a likely spread is given to both (the maximum of a Gaussian
posterior, as total field inversion has with other norms: Liu 2017, doi 10.1002/mrm.26331), so that a smooth field near
the rim is shared between them by what either costs. W is the inverse of the field's noise, so that voxels of which the
fit knows little count for little. Nothing need be eroded; `erode` leaves out a rim in the end.

With y = chi / s the normal equations are (s D W^2 D s + 1) y = s D W^2 total; conjugate gradients reach the strong
sources outside first.
"""

from __future__ import annotations

import scipy.ndimage
import torch

from qsmbench.physics.conjugate_gradients import conjugate_gradients
from qsmbench.physics.dipole import dipole_kernel
from qsmbench.physics.fourier import FourierFilter
from qsmbench.preparation.background.box import Box
from qsmbench.preparation.background.contract import Local, Total
from qsmbench.preparation.settings import Joint


def joint(total: Total, settings: Joint) -> Local:
    """Remove the background by a joint fit; needs the grid's B0 direction."""
    grid = total.grid
    box = Box.around(total.mask, grid.voxel_size, settings.margin)
    field, mask = box.cut(total.field), box.cut(total.mask)
    dipole = FourierFilter(
        dipole_kernel(box.shape, grid.voxel_size, grid.b0_dir).to(field.device), box.shape, box.shape
    )
    variance = torch.full_like(field, settings.least_noise**2)
    if total.noise is not None:
        variance += box.cut(total.noise) ** 2
    weight = torch.where(mask, 1 / variance, 0.0)
    spread = torch.where(mask, settings.inside, settings.outside).to(field.dtype)

    def normal(y: torch.Tensor) -> torch.Tensor:
        return dipole(dipole(spread * y).mul_(weight)).mul_(spread).add_(y)

    solution = conjugate_gradients(
        normal,
        dipole(field * weight).mul_(spread),
        tolerance=settings.tolerance,
        max_iterations=settings.max_iterations,
    )
    outside = solution.x.mul_(spread).masked_fill_(mask, 0.0)
    kept = mask
    if settings.erode > 0:
        depth = scipy.ndimage.distance_transform_edt(mask.cpu().numpy(), sampling=grid.voxel_size)
        kept = mask & torch.from_numpy(depth > settings.erode).to(mask.device)
    local = torch.where(kept, field - dipole(outside), 0.0)
    return Local(
        box.paste(local, grid.shape),
        box.paste(kept, grid.shape),
        {"IterationsDone": solution.n_iterations, "RelativeResidual": solution.residual},
    )
