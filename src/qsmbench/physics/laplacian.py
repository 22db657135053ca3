"""The Laplacian of a volume that is known inside a mask only, 1/mm^2.

    (L x)[n] = sum_i (x[n - e_i] - 2 x[n] + x[n + e_i]) / h_i^2

over the axes i along which both neighbours lie in the mask, so that values outside, which are no data, never enter.
"""

from __future__ import annotations

import torch

from qsmbench.core.grid import Triple


def masked_laplacian(x: torch.Tensor, mask: torch.Tensor, voxel_size: Triple) -> torch.Tensor:
    """Laplacian of ``x`` (x, y, z) inside ``mask`` (bool), unit of x per mm^2; zero outside.

    >>> x = torch.tensor([0.0, 1.0, 4.0, 9.0]).reshape(4, 1, 1)
    >>> masked_laplacian(x, torch.ones_like(x, dtype=torch.bool), (1.0, 1.0, 1.0)).flatten().tolist()
    [0.0, 2.0, 2.0, 0.0]
    """
    result = torch.zeros_like(x)
    for axis, h in enumerate(voxel_size):
        n = x.shape[axis] - 2
        if n < 1:
            continue
        before, here, after = (x.narrow(axis, start, n) for start in range(3))
        known = mask.narrow(axis, 0, n) & mask.narrow(axis, 1, n) & mask.narrow(axis, 2, n)
        second = torch.add(before, after).sub_(here, alpha=2).mul_(known)
        result.narrow(axis, 1, n).add_(second, alpha=1 / h**2)
    return result
