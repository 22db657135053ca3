"""V-SHARP: spherical mean values with the largest sphere that fits at each voxel.

    high(r) = total - mean over the largest sphere around r inside the mask;   local = C_max^-1 high

with C_max = 1 - mean over the largest sphere, inverted where |C_max| exceeds a threshold. Li, Wu & Liu 2011, doi
10.1016/j.neuroimage.2010.11.088; Wu 2012, doi 10.1002/mrm.23000; SHARP itself Schweser 2011, doi
10.1016/j.neuroimage.2010.10.070. The mask loses the smallest radius.
"""

from __future__ import annotations

import numpy as np
import torch

from qsmbench.core.errors import InputError
from qsmbench.physics.fourier import FourierFilter
from qsmbench.preparation.background.box import Box
from qsmbench.preparation.background.contract import Local, Total
from qsmbench.preparation.background.spheres import eroded, sphere_filter
from qsmbench.preparation.settings import Vsharp


def vsharp(total: Total, settings: Vsharp) -> Local:
    """Remove the background by V-SHARP."""
    if settings.min_radius > settings.radius:
        raise InputError(f"V-SHARP: min_radius {settings.min_radius:g} mm exceeds radius {settings.radius:g} mm")
    voxel_size = total.grid.voxel_size
    box = Box.around(total.mask, voxel_size, settings.radius)
    field, mask = box.cut(total.field), box.cut(total.mask)
    n_radii = int(np.floor((settings.radius - settings.min_radius) / settings.step + 1e-9)) + 1
    radii = [settings.radius - i * settings.step for i in range(n_radii)]
    if radii[-1] > settings.min_radius:
        radii.append(settings.min_radius)
    high = torch.zeros_like(field)
    done = torch.zeros_like(mask)
    inverse = None
    for radius in radii:
        smv = sphere_filter(box.shape, voxel_size, radius)
        inner = eroded(mask, smv, voxel_size, radius)
        if inverse is None:
            c = 1 - smv.multiplier
            inverse = torch.where(c.abs() > settings.threshold, 1 / c, 0.0)
        new = inner & ~done
        if not new.any():
            continue
        high = torch.where(new, field - smv(field), high)
        done |= inner
    assert inverse is not None
    local = FourierFilter(inverse, box.shape, box.shape)(high)
    return Local(
        box.paste(torch.where(done, local, 0.0), total.grid.shape),
        box.paste(done, total.grid.shape),
        {"NumberOfRadii": len(radii)},
    )
