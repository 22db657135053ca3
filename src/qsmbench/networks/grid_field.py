"""A multiresolution grid field: trained features on nested grids, read between their nodes, mixed by a small network.

    phi(x) = (features of every level, interpolated trilinearly at x),   y = a . phi(x) + MLP(phi(x))

after the encoding of Mueller 2022 (doi 10.1145/3528223.3530127), with dense grids in place of hashed ones: the finest
has the image's own resolution, so nothing is gained by hashing. Coarse levels carry what fine ones would need hundreds
of steps for, which preconditions the fit.

On a lattice trilinear interpolation is separable: three small matrices a level, no gathering. That is what makes the
field fast on a CPU; on the image's own lattice the finest level is just read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from qsmbench.networks.lattice import Axes
from qsmbench.networks.neural_field import NeuralField

# Nearer to a node than this share of the spacing is at it: rounding must not blur the finest level.
_AT_NODE = 1e-4


class GridField(NeuralField):
    """Grids of features, each level twice as fine as the last, down to the image's voxels.

    Args:
        shape: of the image.
        voxel_size: mm.
        levels: number of grids; the coarsest has a spacing of 2^(levels - 1) times the smallest voxel edge, and no
            grid is finer than the voxels along any axis.
        features: numbers at each node.
        width: hidden layer of the network that mixes them; 0 leaves their weighted sum.
    """

    def __init__(
        self, shape: Sequence[int], voxel_size: Sequence[float], levels: int = 5, features: int = 2, width: int = 16
    ) -> None:
        super().__init__()
        smallest = min(voxel_size)
        self.spacings: list[tuple[float, ...]] = []
        self.grids = nn.ParameterList()
        for level in reversed(range(levels)):
            spacing = tuple(max(h, smallest * 2**level) for h in voxel_size)
            nodes = [_n_nodes(n, h, s) for n, h, s in zip(shape, voxel_size, spacing, strict=True)]
            self.spacings.append(spacing)
            self.grids.append(nn.Parameter(1e-3 * torch.randn(features, *nodes)))
        n_features = levels * features
        self.mix = nn.Parameter(torch.full((n_features,), 1 / math.sqrt(n_features)))
        self.first: nn.Linear | None = None
        if width:
            self.first, self.last = nn.Linear(n_features, width), nn.Linear(width, 1)
            with torch.no_grad():
                self.last.weight.zero_()
                self.last.bias.zero_()

    def start_from(self, volume: torch.Tensor) -> None:
        """Make the field equal ``volume`` (x, y, z) at the voxels, but for the small random start of the features."""
        with torch.no_grad():
            finest = self.grids[-1]
            finest[0] += volume / self.mix[-len(finest)]

    def on_lattice(self, axes: Axes, index: torch.Tensor) -> torch.Tensor:
        """See `NeuralField.on_lattice`; costs the x-planes that ``index`` touches."""
        plane = len(axes[1]) * len(axes[2])
        low, high = int(index[0]) // plane, int(index[-1]) // plane + 1
        slab = (axes[0][low:high], axes[1], axes[2])
        levels = [_interpolate(g, slab, s) for g, s in zip(self.grids, self.spacings, strict=True)]
        phi = torch.cat(levels).flatten(1).index_select(1, index - low * plane)
        y = self.mix @ phi
        if self.first is not None:
            y = y + self.last(functional.silu(self.first(phi.t())))[:, 0]
        return y


def _n_nodes(n: int, h: float, spacing: float) -> int:
    return math.ceil((n - 1) * h / spacing - _AT_NODE) + 1


def _interpolate(grid: torch.Tensor, axes: Axes, spacing: Sequence[float]) -> torch.Tensor:
    """Read a grid (features, x, y, z), centred on the volume, at a lattice; constant beyond its outer nodes."""
    for axis in (2, 1, 0):
        grid = _interpolate_axis(grid, axes[axis], spacing[axis], axis + 1)
    return grid


def _interpolate_axis(grid: torch.Tensor, at: torch.Tensor, spacing: float, dim: int) -> torch.Tensor:
    n_nodes = grid.shape[dim]
    position = (at.double() / spacing + (n_nodes - 1) / 2).clamp(0, n_nodes - 1)
    nearest = position.round()
    position = torch.where((position - nearest).abs() < _AT_NODE, nearest, position)
    if torch.equal(position, nearest):
        first = int(nearest[0])
        if torch.equal(nearest, torch.arange(first, first + len(at), device=at.device, dtype=nearest.dtype)):
            return grid.narrow(dim, first, len(at))
    nodes = torch.arange(n_nodes, device=at.device)
    weights = (1 - (position[:, None] - nodes).abs()).clamp_(min=0).to(grid.dtype)
    moved = torch.tensordot(grid, weights, dims=([dim], [1]))
    back: torch.Tensor = moved.movedim(-1, dim)
    return back
