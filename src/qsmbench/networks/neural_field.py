"""What a neural field is here: a network from a point in space to one number, evaluated on lattices piece by piece."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import nn

from qsmbench.networks.lattice import Axes, pieces


class NeuralField(nn.Module, ABC):
    """A scalar field of space, in units of the field's own scale."""

    @abstractmethod
    def on_lattice(self, axes: Axes, index: torch.Tensor) -> torch.Tensor:
        """Return the values (n,) at some points of a lattice, differentiable in the parameters.

        Args:
            axes: three vectors, mm from the centre of the volume.
            index: (n,) int64, sorted, of the points in the lattice flattened in C order.
        """

    def sample(self, axes: Axes, inside: torch.Tensor, chunk: int) -> torch.Tensor:
        """Return the field on a lattice (x, y, z), zero outside ``inside`` (bool), without gradients."""
        values = torch.zeros(inside.shape, device=inside.device)
        flat = values.view(-1)
        with torch.no_grad():
            for index in pieces(inside, chunk):
                flat[index] = self.on_lattice(axes, index)
        return values
