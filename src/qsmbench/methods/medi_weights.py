"""The two weights of MEDI: where the magnitude has edges, and how far each voxel's field is to be trusted.

    edges    the strongest ``fraction`` of the 3 n gradient components of the magnitude (n voxels in the mask)
    weights  1 / noise, mean 1 over the mask

Liu J. 2012, doi 10.1016/j.neuroimage.2011.08.082, eq. 4: the regularization counts only what is no edge. The MEDI
toolbox raises its threshold until the number of components above it, over the number of voxels, is its "percentage"
0.9; as there are three components a voxel that is the strongest 30 % of them, those on the mask's rim included.
"""

from __future__ import annotations

import numpy as np
import torch

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Triple
from qsmbench.methods.notes import note
from qsmbench.physics.differences import gradient


def smooth_components(image: torch.Tensor, mask: torch.Tensor, fraction: float, voxel_size: Triple) -> torch.Tensor:
    """Where the image has no edge: (3, x, y, z) bool, for each component of the forward difference.

    Args:
        image: (x, y, z), any unit.
        mask: (x, y, z) bool; the image is taken as zero outside.
        fraction: of the 3 n components, n voxels in the mask, that are edges.
        voxel_size: mm.
    """
    steepness = gradient(torch.where(mask, image, 0.0), voxel_size).abs_()
    n_edges = min(int(3 * fraction * int(mask.sum())), steepness.numel() - 1)
    rank = steepness.numel() - n_edges
    if steepness.device.type == "cpu":
        threshold = float(np.partition(steepness.numpy().ravel(), rank - 1)[rank - 1])
    else:
        threshold = float(steepness.flatten().kthvalue(rank).values)
    return steepness <= threshold


def data_weights(noise: torch.Tensor | None, mask: torch.Tensor) -> torch.Tensor:
    """Weights 1 / noise with mean 1 over the mask and 0 outside; uniform where no noise map is given.

    Args:
        noise: (x, y, z) standard deviation, any unit; a voxel of zero noise has no information (as in the toolbox).
        mask: (x, y, z) bool.

    Raises:
        InputError: the noise is zero everywhere in the mask.
    """
    if noise is None:
        note("no noise of the field was given: every voxel counts alike")
        return mask.to(torch.float32)
    known = mask & (noise > 0)
    if not known.any():
        raise InputError("field_noise is zero everywhere in the mask; leave it out, or give its standard deviation")
    note("voxels are weighted by the noise of the field")
    weights = torch.where(known, 1.0 / torch.where(known, noise, 1.0), 0.0)
    n_voxels = int(mask.sum())
    return weights * (n_voxels / float(weights.double().sum()))
