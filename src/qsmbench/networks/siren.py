"""SIREN: a multilayer perceptron with sines, whose derivatives are networks of the same kind.

    h_1 = sin(w0 (W_1 x + b_1)),   h_(i+1) = sin(w0 (W h_i + b)),   y = W h + b

Sitzmann 2020, doi 10.48550/arXiv.2006.09661. Initial weights are uniform in +-1 / n_in in the first layer and in
+-sqrt(6 / n_in) / w0 after it, so that activations keep a standard normal distribution before each sine at any depth.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import nn

from qsmbench.networks.lattice import Axes
from qsmbench.networks.neural_field import NeuralField


class Siren(NeuralField):
    """3 -> ``layers`` sine layers of ``width`` -> 1.

    Args:
        extent: longest edge of the volume, mm: it becomes [-1, 1], shorter ones in proportion, so that the network's
            frequencies are the same per mm along every axis.
        layers: sine layers.
        width: of each.
        omega: w0 of every layer (Zhang 2024: 40, in first, hidden and last layers).
    """

    def __init__(self, extent: float, layers: int = 10, width: int = 512, omega: float = 40.0) -> None:
        super().__init__()
        self.extent, self.omega = extent, omega
        sizes = [3, *[width] * layers]
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.last = nn.Linear(width, 1)
        with torch.no_grad():
            for i, layer in enumerate([*self.hidden, self.last]):
                assert isinstance(layer, nn.Linear)
                n_in = layer.in_features
                bound = 1 / n_in if i == 0 else math.sqrt(6 / n_in) / omega
                layer.weight.uniform_(-bound, bound)
                # As in the authors' code: uniform in 1 / sqrt(n_in), the default of torch's linear layers.
                layer.bias.uniform_(-1 / math.sqrt(n_in), 1 / math.sqrt(n_in))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Values (n,) at points (n, 3) in [-1, 1]."""
        for layer in self.hidden:
            x = torch.sin(self.omega * layer(x))
        y: torch.Tensor = self.last(x)
        return y[:, 0]

    def on_lattice(self, axes: Axes, index: torch.Tensor) -> torch.Tensor:
        """See `NeuralField.on_lattice`."""
        ny, nz = len(axes[1]), len(axes[2])
        where = (index // (ny * nz), index // nz % ny, index % nz)
        points = torch.stack([a.to(torch.float32)[i] for a, i in zip(axes, where, strict=True)], dim=1)
        values: torch.Tensor = self(points * (2 / self.extent))
        return values
