"""SHARP: the spherical mean taken off, and what that did to the local field undone in k-space.

    local = M C^-1 M (1 - S) total,   C = 1 - S, inverted where |C| exceeds a threshold

M: where the sphere lies inside the mask. Schweser 2011, doi 10.1016/j.neuroimage.2010.10.070. The fastest, since it
solves nothing; low frequencies below the threshold are lost.
"""

from __future__ import annotations

import torch

from qsmbench.physics.fourier import FourierFilter
from qsmbench.preparation.background.box import Box
from qsmbench.preparation.background.contract import Local, Total
from qsmbench.preparation.background.spheres import eroded, sphere_filter
from qsmbench.preparation.settings import Sharp


def sharp(total: Total, settings: Sharp) -> Local:
    """Remove the background by SHARP; the mask loses ``settings.radius`` mm all around."""
    voxel_size = total.grid.voxel_size
    box = Box.around(total.mask, voxel_size, settings.radius)
    smv = sphere_filter(box.shape, voxel_size, settings.radius)
    field = box.cut(total.field)
    inner = eroded(box.cut(total.mask), smv, voxel_size, settings.radius)
    c = 1 - smv.multiplier
    inverse = torch.where(c.abs() > settings.threshold, 1 / c, 0.0)
    local = FourierFilter(inverse, box.shape, box.shape)((field - smv(field)).mul_(inner))
    return Local(box.paste(local.mul_(inner), total.grid.shape), box.paste(inner, total.grid.shape), {})
