"""PDF: the field is projected onto the dipole fields of sources outside the mask, and the projection subtracted.

    chi_out = argmin || W M (total - D chi) ||^2 over chi that vanish in the mask;   local = M (total - D chi_out)

de Rochefort 2010, doi 10.1002/mrm.22187; Liu 2011, doi 10.1002/nbm.1670. W is the inverse of the field's noise. A
field from outside is nearly orthogonal, over the mask, to one from inside, except near the rim. Solved by conjugate
gradients on the normal equations, stopped early. Nothing is eroded.
"""

from __future__ import annotations

import torch

from qsmbench.physics.conjugate_gradients import conjugate_gradients
from qsmbench.physics.dipole import dipole_kernel
from qsmbench.physics.fourier import FourierFilter
from qsmbench.preparation.background.box import Box
from qsmbench.preparation.background.contract import Local, Total
from qsmbench.preparation.settings import Pdf


def pdf(total: Total, settings: Pdf) -> Local:
    """Remove the background by PDF; needs the grid's B0 direction."""
    grid = total.grid
    box = Box.around(total.mask, grid.voxel_size, settings.margin)
    field, mask = box.cut(total.field), box.cut(total.mask)
    kernel = dipole_kernel(box.shape, grid.voxel_size, grid.b0_dir).to(field.device)
    dipole = FourierFilter(kernel, box.shape, box.shape)
    weight = mask.float()
    if total.noise is not None:
        noise = box.cut(total.noise)
        # The median of the noise sets the scale; a voxel that claims to be free of noise must not rule the fit.
        typical = noise[mask].median()
        if typical > 0:
            weight = torch.where(mask, (typical / noise.clamp(min=0.2 * float(typical))) ** 2, 0.0)

    def normal(chi: torch.Tensor) -> torch.Tensor:
        return dipole(dipole(chi).mul_(weight)).masked_fill_(mask, 0.0)

    solution = conjugate_gradients(
        normal,
        dipole(field * weight).masked_fill_(mask, 0.0),
        tolerance=settings.tolerance,
        max_iterations=settings.max_iterations,
    )
    local = torch.where(mask, field - dipole(solution.x), 0.0)
    return Local(
        box.paste(local, grid.shape),
        total.mask,
        {"IterationsDone": solution.n_iterations, "RelativeResidual": solution.residual},
    )
