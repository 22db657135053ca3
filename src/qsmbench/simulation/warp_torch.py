"""The warp of `simulation.warp` in torch, for devices that run no compiled Python; same samples, same sums.

The B-spline displacement on a grid of places is three matrix products, one an axis; the head is then gathered at the
eight corners around each place. Places are in double precision: one that rounds into another cell would otherwise pick
other corners than the compiled code.
"""

import numpy as np
import torch

from qsmbench.core.grid import Triple
from qsmbench.simulation.deformation import F64, Deformation, Lattice
from qsmbench.simulation.warp import Window, sampling

# Samples in flight; each takes some 200 bytes.
_BATCH = 1 << 21


def render_torch(
    head: torch.Tensor,
    head_voxel_size: Triple,
    centre: F64,
    deformation: Deformation,
    window: Window,
    *,
    pitch: float | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """As `warp.render` for a ``head`` (x, y, z, 2) on any device: mean chi and share in the mask, float32, there."""
    device = head.device
    n_sub, first, step = sampling(window, min(head_voxel_size) if pitch is None else pitch)
    to_index = np.linalg.inv(deformation.matrix) / np.array(head_voxel_size)[:, None]
    lengths = [n * int(s) for n, s in zip(window.shape, n_sub, strict=True)]
    axes = [o + np.arange(n) * d for o, n, d in zip(first, lengths, step, strict=True)]
    places = [torch.from_numpy(np.outer(axis, to_index[:, i])).to(device) for i, axis in enumerate(axes)]
    offset = torch.from_numpy(centre).to(device)
    lattice = deformation.lattice
    along_yz = inside_yz = weights_x = inside_x = None
    if lattice is not None:
        bases = [_basis(axis, lattice) for axis in axes]
        weights_x, weights_y, weights_z = (torch.from_numpy(weights).to(device) for weights, _ in bases)
        inside_x, inside_y, inside_z = (torch.from_numpy(valid).to(device) for _, valid in bases)
        inside_yz = inside_y[:, None] & inside_z[None, :]
        shifts = torch.from_numpy(np.einsum("ij,abcj->abci", to_index, lattice.coefficients)).to(device)
        along_yz = torch.einsum("jb,kc,abci->ajki", weights_y, weights_z, shifts)
    sums = torch.zeros((2, *window.shape), device=device)
    sx, sy, sz = (int(s) for s in n_sub)
    nx, ny, nz = window.shape
    # Whole voxels along x, as many at a time as fit.
    rows = max(1, _BATCH // (sx * lengths[1] * lengths[2]))
    for start in range(0, nx, rows):
        stop = min(start + rows, nx)
        cut = slice(start * sx, stop * sx)
        index = places[0][cut, None, None] + places[1][None, :, None] + places[2][None, None, :] + offset
        valid: torch.Tensor | None = None
        if along_yz is not None and weights_x is not None and inside_x is not None and inside_yz is not None:
            index += torch.einsum("ia,ajkc->ijkc", weights_x[cut], along_yz)
            valid = inside_x[cut, None, None] & inside_yz[None]
        values = _trilinear(head, index, valid)
        blocks = values.reshape(2, stop - start, sx, ny, sy, nz, sz)
        sums[:, start:stop] = blocks.sum(dim=(2, 4, 6)) / (sx * sy * sz)
    return sums[0], sums[1]


def _basis(axis: F64, lattice: Lattice) -> tuple[F64, np.ndarray]:
    """Weights (places, nodes) of the cubic B-splines, and whether a place has all four of its nodes."""
    n = len(lattice.coefficients)
    g = (axis - lattice.origin) / lattice.spacing
    cell = np.floor(g).astype(np.int64)
    valid = (cell >= 1) & (cell <= n - 3)
    t = np.where(valid, g - cell, 0.0)
    s = 1.0 - t
    four = (s**3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (3 * s**3 - 6 * s**2 + 4) / 6, t**3 / 6)
    weights = np.zeros((len(axis), n))
    for tap, weight in enumerate(four):
        weights[np.flatnonzero(valid), cell[valid] - 1 + tap] = weight[valid]
    return weights, valid


def _trilinear(head: torch.Tensor, index: torch.Tensor, valid: torch.Tensor | None) -> torch.Tensor:
    """Chi and mask (2, x, y, z) at ``index`` (x, y, z, 3); zero beyond the head, and where not ``valid``."""
    top = torch.tensor([n - 1.0 for n in head.shape[:3]], dtype=index.dtype, device=index.device)
    inside = ((index >= 0) & (index < top)).all(dim=-1)
    if valid is not None:
        inside &= valid
    index = torch.where(inside[..., None], index, torch.zeros((), dtype=index.dtype, device=index.device))
    cell = index.floor()
    f = (index - cell).float()
    e = 1 - f
    strides = (head.shape[1] * head.shape[2], head.shape[2], 1)
    flat = head.reshape(-1, 2)
    low = sum(cell[..., a].long() * strides[a] for a in range(3))
    total = torch.zeros((2, *index.shape[:3]), device=index.device)
    for corner in range(8):
        bits = (corner >> 2 & 1, corner >> 1 & 1, corner & 1)
        weight = inside.float()
        for axis, bit in enumerate(bits):
            weight = weight * (f if bit else e)[..., axis]
        place = low + sum(bit * stride for bit, stride in zip(bits, strides, strict=True))
        total += weight * flat[place].movedim(-1, 0)
    return total
