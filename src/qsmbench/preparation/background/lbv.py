"""LBV: the background is harmonic inside the mask, so its values on the rim tell all of it.

    background = total on the rim of the mask,   Laplace background = 0 within;   local = total - background

Zhou 2014, doi 10.1002/nbm.3064: on the rim the background is so much stronger than the local field that the total is
taken for it. What the local field has there is lost, with its harmonic continuation into the mask. The rim, one voxel
thick, is lost too; `peel` leaves out that many layers more beforehand, where the total field is unreliable. Neither
sphere nor threshold; solved by multigrid as there (`physics.multigrid`).

A mask that holds some bone, air or vessel at its rim has sources there whose own field LBV would take for background,
with a harmonic continuation through the whole brain: on simulated scans 2 to 3 % of such voxels made the local field
two to five times as wrong as an empty one. They are told by a Laplacian far above the usual and left out (ours).
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import scipy.ndimage
import torch
from numpy.typing import NDArray

from qsmbench.core.grid import Triple
from qsmbench.physics.multigrid import Poisson
from qsmbench.preparation.background.box import Box
from qsmbench.preparation.background.contract import Local, Total
from qsmbench.preparation.settings import Lbv

# Voxels below the rim that count as near it.
_LAYERS = 3


def lbv(total: Total, settings: Lbv) -> Local:
    """Remove the background by LBV; the mask loses its rim of one voxel and ``settings.peel`` more."""
    box = Box.around(total.mask, total.grid.voxel_size, 0.0)
    mask, field = (box.cut(volume).cpu().numpy() for volume in (total.mask, total.field))
    spoiled = _no_brain(mask, field, total.grid.voxel_size, settings.largest_laplacian)
    # The neighbours along the axes; beyond the volume there is no field, so its outermost voxels are rim.
    inner = scipy.ndimage.binary_erosion(mask & ~spoiled, iterations=1 + settings.peel)
    equation = Poisson(inner, total.grid.voxel_size)
    solution = equation.solve(
        equation.source(field), tolerance=settings.tolerance, max_iterations=settings.max_iterations
    )
    device = total.field.device
    return Local(
        box.paste(solution.x.to(device), total.grid.shape),
        box.paste(torch.from_numpy(np.ascontiguousarray(inner)).to(device), total.grid.shape),
        {
            "IterationsDone": solution.n_iterations,
            "RelativeResidual": solution.residual,
            "LeftOutVoxels": int(np.count_nonzero(spoiled)),
        },
    )


def _no_brain(
    mask: NDArray[np.bool_], field: NDArray[np.float32], voxel_size: Triple, largest: float
) -> NDArray[np.bool_]:
    """Voxels of the mask's outer layers (x, y, z) at and beside which the field curves too much for a background."""
    deep = scipy.ndimage.binary_erosion(mask, iterations=_LAYERS + 1)
    if not deep.any():
        return np.zeros_like(mask)
    # On the rim itself the neighbours' field is not known.
    inner = scipy.ndimage.binary_erosion(mask)
    curved = np.abs(Poisson(inner, voxel_size).source(field))
    usual = float(np.median(curved[deep])) / NormalDist().inv_cdf(0.75)
    spoiled = inner & ~deep & (curved > largest * usual)
    return scipy.ndimage.binary_dilation(spoiled) & mask & ~deep
