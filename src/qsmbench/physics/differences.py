"""Forward differences per mm with a closed boundary, their adjoint, and the weighted Laplacian they make.

    (G_i x)[n] = (x[n + e_i] - x[n]) / h_i, zero in the last plane along axis i;   G^T W G x with W >= 0 per component

On the CPU each operator is one fused pass (numba); on a GPU it is a handful of torch operations. Both give the same
numbers but for rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from qsmbench.core.compiled import compiled
from qsmbench.core.grid import Triple

_jit = compiled(nogil=True, fastmath=True)


def gradient(x: torch.Tensor, voxel_size: Triple) -> torch.Tensor:
    """Forward differences of ``x`` (x, y, z): (3, x, y, z), unit of x per mm; zero in the last plane of each axis.

    >>> gradient(torch.tensor([0.0, 1.0, 4.0]).reshape(3, 1, 1), (2.0, 1.0, 1.0))[0].flatten().tolist()
    [0.5, 1.5, 0.0]
    """
    g = torch.zeros((3, *x.shape), dtype=x.dtype, device=x.device)
    for axis, h in enumerate(voxel_size):
        n = x.shape[axis] - 1
        component = g[axis].narrow(axis, 0, n)
        torch.sub(x.narrow(axis, 1, n), x.narrow(axis, 0, n), out=component)
        component.div_(h)
    return g


def gradient_adjoint(g: torch.Tensor, voxel_size: Triple) -> torch.Tensor:
    """Adjoint of :func:`gradient` (minus the divergence): (3, x, y, z) -> (x, y, z)."""
    y = torch.zeros_like(g[0])
    for axis, h in enumerate(voxel_size):
        n = y.shape[axis] - 1
        component = g[axis].narrow(axis, 0, n)
        y.narrow(axis, 0, n).sub_(component, alpha=1 / h)
        y.narrow(axis, 1, n).add_(component, alpha=1 / h)
    return y


def weighted_laplacian(x: torch.Tensor, weight: torch.Tensor, voxel_size: Triple) -> torch.Tensor:
    """G^T (weight G x) for a weight (3, x, y, z) of each component: symmetric, and positive where the weight is."""
    if x.device.type != "cpu":
        return gradient_adjoint(gradient(x, voxel_size).mul_(weight), voxel_size)
    y = torch.empty_like(x)
    _weighted_laplacian(x.numpy(), weight.numpy(), _inverse_squares(voxel_size), y.numpy())
    return y


def reweighted(x: torch.Tensor, smooth: torch.Tensor, epsilon: float, voxel_size: Triple) -> torch.Tensor:
    """Weights s / sqrt((s G x)^2 + epsilon) that turn the quadratic form of G into the L1 norm at ``x``.

    Args:
        x: (x, y, z).
        smooth: (3, x, y, z) bool, s: the components that the norm counts.
        epsilon: keeps the weight finite where x is flat, (unit of x per mm)^2.
        voxel_size: mm.

    Returns:
        (3, x, y, z).
    """
    if x.device.type != "cpu":
        g = gradient(x, voxel_size)
        return g.mul_(g).add_(epsilon).rsqrt_().mul_(smooth)
    weight = torch.empty((3, *x.shape), dtype=x.dtype)
    _reweighted(x.numpy(), smooth.numpy(), epsilon, np.array(voxel_size, np.float32), weight.numpy())
    return weight


def _inverse_squares(voxel_size: Triple) -> Any:
    return (1 / np.array(voxel_size) ** 2).astype(np.float32)


@_jit
def _weighted_laplacian(x: Any, weight: Any, c: Any, out: Any) -> None:
    nx, ny, nz = x.shape
    cx, cy, cz = c[0], c[1], c[2]
    zero = np.float32(0)
    for i in range(nx):
        for j in range(ny):
            # Four passes along z, each without a branch, so that the compiler can vectorise them.
            for k in range(nz - 1):
                out[i, j, k] = cz * weight[2, i, j, k] * (x[i, j, k] - x[i, j, k + 1])
            out[i, j, nz - 1] = zero
            for k in range(1, nz):
                out[i, j, k] += cz * weight[2, i, j, k - 1] * (x[i, j, k] - x[i, j, k - 1])
            if i + 1 < nx:
                for k in range(nz):
                    out[i, j, k] += cx * weight[0, i, j, k] * (x[i, j, k] - x[i + 1, j, k])
            if i > 0:
                for k in range(nz):
                    out[i, j, k] += cx * weight[0, i - 1, j, k] * (x[i, j, k] - x[i - 1, j, k])
            if j + 1 < ny:
                for k in range(nz):
                    out[i, j, k] += cy * weight[1, i, j, k] * (x[i, j, k] - x[i, j + 1, k])
            if j > 0:
                for k in range(nz):
                    out[i, j, k] += cy * weight[1, i, j - 1, k] * (x[i, j, k] - x[i, j - 1, k])


@_jit
def _reweighted(x: Any, smooth: Any, epsilon: float, h: Any, out: Any) -> None:
    nx, ny, nz = x.shape
    e, one, zero = np.float32(epsilon), np.float32(1), np.float32(0)
    for i in range(nx):
        up = min(i + 1, nx - 1)
        for j in range(ny):
            right = min(j + 1, ny - 1)
            for k in range(nz):
                front = min(k + 1, nz - 1)
                a = (x[up, j, k] - x[i, j, k]) / h[0]
                b = (x[i, right, k] - x[i, j, k]) / h[1]
                c = (x[i, j, front] - x[i, j, k]) / h[2]
                out[0, i, j, k] = one / np.sqrt(a * a + e) if smooth[0, i, j, k] else zero
                out[1, i, j, k] = one / np.sqrt(b * b + e) if smooth[1, i, j, k] else zero
                out[2, i, j, k] = one / np.sqrt(c * c + e) if smooth[2, i, j, k] else zero
