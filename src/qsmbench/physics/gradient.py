"""Finite differences per mm, in space and in k-space.

The first difference along axis i, (x[n+1] - x[n]) / h_i, has the transfer function (exp(2 pi i k n) - 1) / h_i with
squared modulus 4 sin^2(pi m / N) / h_i^2.
"""

from __future__ import annotations

import numpy as np
import torch

from qsmbench.core.grid import Shape, Triple


def gradient_power(shape: Shape, voxel_size: Triple, dtype: torch.dtype | None = None) -> torch.Tensor:
    """Sum over the axes of the squared transfer functions of the first differences, 1/mm^2.

    Args:
        shape: grid of the transform.
        voxel_size: mm.
        dtype: of the result, by default float32.

    Returns:
        half spectrum (X, Y, Z // 2 + 1); zero at the origin.
    """
    per_axis = [(2 * np.sin(np.pi * np.arange(n) / n) / h) ** 2 for n, h in zip(shape, voxel_size, strict=True)]
    per_axis[2] = per_axis[2][: shape[2] // 2 + 1]
    power = per_axis[0][:, None, None] + per_axis[1][None, :, None] + per_axis[2][None, None, :]
    return torch.from_numpy(power).to(dtype or torch.float32)
