"""What a neural field is here: a network from a point in space to one number, evaluated on lattices piece by piece."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import torch
from torch import nn

# Coordinates of a lattice's planes along each axis, mm from the centre of the volume.
Axes = Sequence[torch.Tensor]


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


def pieces(inside: torch.Tensor, chunk: int) -> Iterator[torch.Tensor]:
    """Indices of the true voxels of (x, y, z), in runs of whole x-planes with about ``chunk`` of them, or parts of one.

    >>> [len(index) for index in pieces(torch.ones(5, 2, 2, dtype=torch.bool), 8)]
    [8, 8, 4]
    """
    counts = inside.flatten(1).sum(dim=1).tolist()
    plane = inside[0].numel()
    flat = inside.reshape(-1)
    first = n = 0
    for x, count in enumerate(counts):
        if n and n + count > chunk:
            yield from _split(flat, first * plane, x * plane, chunk)
            first, n = x, 0
        n += count
    if n:
        yield from _split(flat, first * plane, len(counts) * plane, chunk)


def _split(flat: torch.Tensor, start: int, stop: int, chunk: int) -> Iterator[torch.Tensor]:
    index = flat[start:stop].nonzero()[:, 0] + start
    yield from torch.split(index, chunk)
