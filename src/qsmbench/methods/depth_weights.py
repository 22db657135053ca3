"""Trust in a field by depth under the mask's rim, from what a first map leaves unexplained there.

Background removal and coil sensitivity make a measured field worse towards the brain's surface: two to three times from
16 mm deep to the outermost 2 mm. A fit's residual shows that where its weights were even; where the error is the same
everywhere the weights come out at one.
"""

from __future__ import annotations

import itertools

import numpy as np
import scipy.ndimage
import torch

from qsmbench.core.grid import Triple

# mm under the rim; a layer of fewer voxels is none.
_DEPTHS = (0.0, 2.0, 4.0, 8.0, 16.0, np.inf)
_ENOUGH = 50


def depth_weights(residual: torch.Tensor, mask: torch.Tensor, voxel_size: Triple) -> torch.Tensor:
    """Inverse variances of ``residual`` (x, y, z) by depth, one at the median voxel, zero outside the mask.

    Args:
        residual: field less that of a map, any unit.
        mask: (x, y, z) bool.
        voxel_size: mm.
    """
    inside = mask.cpu().numpy()
    depth = scipy.ndimage.distance_transform_edt(inside, sampling=voxel_size)[inside]
    squares = residual.cpu().numpy()[inside].astype(np.float64) ** 2
    places, variances = [], []
    for low, high in itertools.pairwise(_DEPTHS):
        layer = (depth > low) & (depth <= high)
        if layer.sum() >= _ENOUGH:
            places.append(depth[layer].mean())
            variances.append(squares[layer].mean())
    if not places or min(variances) <= 0:
        return mask.to(torch.float32)
    variance = np.interp(depth, places, variances)
    weights = np.zeros(inside.shape, np.float32)
    weights[inside] = np.median(variance) / variance
    return torch.from_numpy(weights).to(mask.device)
