"""Weights that fall from 1 to 0 between two percentiles: full trust in the quiet voxels, none in the outliers."""

from __future__ import annotations

import numpy as np
import torch


def percentiles(values: torch.Tensor, percents: tuple[float, float]) -> tuple[float, float]:
    """Exact percentiles of all ``values``, linear between order statistics; the same on every device.

    >>> percentiles(torch.tensor([3.0, 1.0, 2.0]), (0, 75))
    (1.0, 2.5)
    """
    low, high = np.percentile(values.cpu().numpy(), percents)
    return float(low), float(high)


def falling_weights(values: torch.Tensor, where: torch.Tensor, percents: tuple[float, float]) -> torch.Tensor:
    """1 below the lower percentile of ``values`` inside ``where`` (bool), 0 above the upper one, linear between.

    Zero outside ``where``; where both percentiles are the same value, a step after it.
    """
    inside = values[where]
    if not inside.numel():
        return torch.zeros_like(values)
    low, high = percentiles(inside, percents)
    if high <= low:
        return (where & (values <= low)).to(values.dtype)
    return ((high - values) / (high - low)).clamp_(0, 1).mul_(where)
