"""The lattices that neural fields are evaluated on: their axes, and their voxels piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import torch

# Coordinates of a lattice's planes along each axis, mm from the centre of the volume.
Axes: TypeAlias = "Sequence[torch.Tensor]"


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
