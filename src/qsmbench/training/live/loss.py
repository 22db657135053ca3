"""What a live training makes small: an error in which tissue counts, whatever strong sources a sample has.

In units of each sample's own scale tissue lies within about +-3; a bleed of 2 ppm may be 50. With Huber's loss (Huber
1964, doi 10.1214/aoms/1177703732) an error below 1 counts by its square, so that the network tends to the mean of what
a noisy field leaves open, a larger one by its size; and a voxel of a chi beyond ``knee`` counts by knee / chi, its
relative error.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from qsmbench.training.live.pool import Patches


def live_loss(estimate: torch.Tensor, patches: Patches, kind: str, knee: float) -> torch.Tensor:
    """Weighted mean over the masks of ``kind`` (huber or l1) of an estimate (n, 1, x, y, z)."""
    if kind == "huber":
        error = functional.smooth_l1_loss(estimate, patches.chi, reduction="none")
    else:
        error = (estimate - patches.chi).abs()
    weight = patches.mask.to(error.dtype)
    if knee > 0:
        weight = weight * (knee / patches.chi.abs().clamp_min(knee))
    return (error * weight).sum() / weight.sum().clamp_min(1.0)
