"""A network over the mirror images of a scan: their mean, and how far they are apart.

The dipole field of a mirrored chi is the mirrored field where B0 lies along an axis (and, with B0 mirrored too, in
general), so that a perfect inversion gives mirrored maps. What a network gives differs; the mean of its maps is nearer
to the truth, and their standard deviation tells where it is at a loss (test-time augmentation: Wang 2019, doi
10.1016/j.neucom.2019.01.103). That is a part of the error alone: what all of them get wrong is not in it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

# Axes that are mirrored, in the order in which they are taken: left for right first, which heads almost are.
FLIPS: tuple[tuple[int, ...], ...] = ((), (0,), (2,), (0, 2), (1,), (0, 1), (1, 2), (0, 1, 2))


def over_symmetries(
    apply: Callable[[torch.Tensor, tuple[int, ...]], torch.Tensor], inputs: torch.Tensor, n: int
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return mean and standard deviation (x, y, z) of the maps of ``n`` mirror images; one has no deviation.

    Args:
        apply: maps (channels, x, y, z) to (x, y, z), told which axes are mirrored.
        inputs: (channels, x, y, z).
        n: from 1 to 8.
    """
    first = apply(inputs, FLIPS[0])
    total, squares = torch.zeros_like(first), torch.zeros_like(first)
    for axes in FLIPS[1:n]:
        # Deviations from the first: sums of squares of the maps themselves would cancel.
        apart = apply(inputs.flip([axis + 1 for axis in axes]), axes).flip(list(axes)) - first
        total += apart
        squares += apart**2
    if n == 1:
        return first, None
    return first + total / n, ((squares - total**2 / n) / (n - 1)).clamp_min_(0).sqrt_()
