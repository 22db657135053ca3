"""What INR-QSM's loss takes from the error of the field: where the field is to be trusted, and at which frequencies.

With the error's power E and level s and the tissue's power S (`field_error`), as in `spectral_tv`:

    Q = s / sqrt(E)      P = theta s^2 / S      w = trust by depth under the rim (at most 1), of the start's residual

and, where a map of the field's white noise n is given, whose median is n0 and which explains a part of s alone,

    w times s^2 / (s^2 - n0^2 + n^2),   s >= n0

The variation weighs ``variation`` times what TV's does, in the loss's own units: mean squares in units of 0.05 ppm, and
differences by the smallest voxel edge h, so that tau = 2 alpha / (0.05 ppm h).
"""

from __future__ import annotations

import torch

from qsmbench.core.grid import Shape
from qsmbench.core.scan import Scan
from qsmbench.methods.depth_weights import depth_weights
from qsmbench.methods.field_error import FieldError, tv_weight
from qsmbench.methods.field_loss import UNIT, Colour
from qsmbench.physics.fourier import FourierFilter, padded_shape

# The filters' kernels are short; their transforms need little room.
_PADDING = 1.06


def colour_of(scan: Scan, error: FieldError, theta: float, residual: torch.Tensor | None, patch: Shape) -> Colour:
    """Return weights and filters of the loss.

    Args:
        scan: on the box that is fitted.
        error: of its field.
        theta: weight of the tissue's spectrum.
        residual: (x, y, z) ppm, of the start's field; None to trust every depth alike.
        patch: size of the patches, at most that of the box.
    """
    noise = noise_weights(scan, error)
    weights = noise
    if residual is not None:
        by_depth = depth_weights(residual * noise.sqrt(), scan.mask, scan.grid.voxel_size)
        weights = noise * by_depth.clamp_(max=1)
    padded = padded_shape(patch, _PADDING)
    data = error.error.volume(padded, scan.grid.voxel_size).rsqrt_().mul_(error.level)
    prior = error.signal.volume(padded, scan.grid.voxel_size).reciprocal_().mul_(theta * error.level**2)
    filters = (FourierFilter(m.to(scan.device), patch, padded) for m in (data, prior))
    return Colour(weights, *filters)


def noise_weights(scan: Scan, error: FieldError) -> torch.Tensor:
    """The share of the error's level that is no more than its median: (x, y, z), zero outside the mask, about one."""
    mask, noise = scan.mask, scan.field_noise
    if noise is None or not bool((noise[mask] > 0).any()):
        return mask.to(torch.float32)
    squared = noise.square()
    median = float(squared[mask].median())
    whole = max(error.level**2, median)
    return torch.where(mask, whole / (whole - median + squared).clamp(min=1e-3 * whole), 0.0).clamp_(max=1)


def variation_tau(error: FieldError, factor: float, smallest_edge: float) -> float:
    """Weight of the variation in the loss, ``factor`` times that of TV."""
    return factor * 2 * tv_weight(error) / (UNIT * smallest_edge)
