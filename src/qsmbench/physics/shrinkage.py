"""The gradient step of total variation by ADMM, with one variable a component.

With v = G x (periodic forward differences per mm) and soft thresholding at t, ADMM keeps z = soft(v + s, t) and the
scaled multiplier s <- v + s - z. As v + s - soft(v + s, t) is v + s clipped to [-t, t], u = v + s alone is enough:

    s = clip(u, t),   z = u - clip(u, t),   u <- a G x + (1 - a) z + s  (a: over-relaxation),   z - s = u - 2 clip(u, t)

Boyd 2011, doi 10.1561/2200000016, sections 3.4.3 and 6.4. Fused passes on the CPU (numba), torch operations on a GPU.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from qsmbench.core.compiled import compiled
from qsmbench.core.grid import Triple

_jit = compiled(nogil=True, fastmath=True)


def shrink_update(u: torch.Tensor, x: torch.Tensor, threshold: float, relaxation: float, voxel_size: Triple) -> None:
    """Update u (3, x, y, z) in place for a new x (x, y, z)."""
    if x.device.type == "cpu":
        lengths = np.array(voxel_size, np.float32)
        _shrink_update(u.numpy(), x.numpy(), np.float32(threshold), np.float32(relaxation), lengths)
        return
    for axis, h in enumerate(voxel_size):
        clipped = u[axis].clamp(-threshold, threshold)
        z = u[axis] - clipped
        u[axis] = relaxation / h * (x.roll(-1, axis) - x) + (1 - relaxation) * z + clipped


def reflected_divergence(u: torch.Tensor, threshold: float, voxel_size: Triple) -> torch.Tensor:
    """G^T (z - s) = G^T (u - 2 clip(u, t)), the gradient's part of the next right-hand side: (x, y, z)."""
    if u.device.type == "cpu":
        y = torch.empty_like(u[0])
        _reflected_divergence(u.numpy(), np.float32(threshold), np.array(voxel_size, np.float32), y.numpy())
        return y
    y = torch.zeros_like(u[0])
    for axis, h in enumerate(voxel_size):
        v = u[axis] - 2 * u[axis].clamp(-threshold, threshold)
        y += (v.roll(1, axis) - v) / h
    return y


@_jit
def _shrink_update(u: Any, x: Any, t: Any, a: Any, h: Any) -> None:
    nx, ny, nz = x.shape
    rest = np.float32(1) - a
    fx, fy, fz = a / h[0], a / h[1], a / h[2]
    for i in range(nx):
        up = i + 1 if i + 1 < nx else 0
        for j in range(ny):
            right = j + 1 if j + 1 < ny else 0
            for k in range(nz):
                c = min(max(u[0, i, j, k], -t), t)
                u[0, i, j, k] = fx * (x[up, j, k] - x[i, j, k]) + rest * (u[0, i, j, k] - c) + c
            for k in range(nz):
                c = min(max(u[1, i, j, k], -t), t)
                u[1, i, j, k] = fy * (x[i, right, k] - x[i, j, k]) + rest * (u[1, i, j, k] - c) + c
            for k in range(nz - 1):
                c = min(max(u[2, i, j, k], -t), t)
                u[2, i, j, k] = fz * (x[i, j, k + 1] - x[i, j, k]) + rest * (u[2, i, j, k] - c) + c
            c = min(max(u[2, i, j, nz - 1], -t), t)
            u[2, i, j, nz - 1] = fz * (x[i, j, 0] - x[i, j, nz - 1]) + rest * (u[2, i, j, nz - 1] - c) + c


@_jit
def _reflected(u: Any, t: Any) -> Any:
    return u - np.float32(2) * min(max(u, -t), t)


@_jit
def _reflected_divergence(u: Any, t: Any, h: Any, out: Any) -> None:
    _, nx, ny, nz = u.shape
    one = np.float32(1)
    fx, fy, fz = one / h[0], one / h[1], one / h[2]
    for i in range(nx):
        down = i - 1 if i > 0 else nx - 1
        for j in range(ny):
            left = j - 1 if j > 0 else ny - 1
            for k in range(nz):
                out[i, j, k] = fx * (_reflected(u[0, down, j, k], t) - _reflected(u[0, i, j, k], t)) + fy * (
                    _reflected(u[1, i, left, k], t) - _reflected(u[1, i, j, k], t)
                )
            out[i, j, 0] += fz * (_reflected(u[2, i, j, nz - 1], t) - _reflected(u[2, i, j, 0], t))
            for k in range(1, nz):
                out[i, j, k] += fz * (_reflected(u[2, i, j, k - 1], t) - _reflected(u[2, i, j, k], t))
