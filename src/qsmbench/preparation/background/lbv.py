"""LBV: the background is harmonic inside the mask, so its values on the rim tell all of it.

    background = total on the rim of the mask,   Laplace background = 0 within;   local = total - background

Zhou 2014, doi 10.1002/nbm.3064: on the rim the background is so much stronger than the local field that the total is
taken for it. What the local field has there is lost, with its harmonic continuation into the mask. The rim, one voxel
thick, is lost too; `peel` leaves out that many layers more beforehand, where the total field is unreliable. Neither
sphere nor threshold; solved by multigrid as there (`physics.multigrid`).
"""

from __future__ import annotations

import numpy as np
import scipy.ndimage
import torch

from qsmbench.physics.multigrid import Poisson
from qsmbench.preparation.background.box import Box
from qsmbench.preparation.background.contract import Local, Total
from qsmbench.preparation.settings import Lbv


def lbv(total: Total, settings: Lbv) -> Local:
    """Remove the background by LBV; the mask loses its rim of one voxel and ``settings.peel`` more."""
    box = Box.around(total.mask, total.grid.voxel_size, 0.0)
    # The neighbours along the axes; beyond the volume there is no field, so its outermost voxels are rim.
    inner = scipy.ndimage.binary_erosion(box.cut(total.mask).cpu().numpy(), iterations=1 + settings.peel)
    field = box.cut(total.field).cpu().numpy()
    equation = Poisson(inner, total.grid.voxel_size)
    solution = equation.solve(
        equation.source(field), tolerance=settings.tolerance, max_iterations=settings.max_iterations
    )
    device = total.field.device
    return Local(
        box.paste(solution.x.to(device), total.grid.shape),
        box.paste(torch.from_numpy(np.ascontiguousarray(inner)).to(device), total.grid.shape),
        {"IterationsDone": solution.n_iterations, "RelativeResidual": solution.residual},
    )
