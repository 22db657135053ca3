"""Patches of live samples, step by step: which ones is a function of the seed and the step alone.

A group of samples costs more than a step, so a pool of them is kept: every ``steps_a_group`` steps its oldest makes
room for a new one, and each step draws from one of them. Flips, and x for y, are symmetries of the dipole where B0 lies
along z; they make new heads of old ones.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from qsmbench.core.seeds import generator_for
from qsmbench.training.live.group import Group, make_group
from qsmbench.training.live.heads import LiveHead
from qsmbench.training.live.settings import LiveTraining

# Places tried for a patch before the one with most brain is taken.
_TRIES = 8
_ENOUGH = 0.6


@dataclass(frozen=True, eq=False)
class Patches:
    """A patch of each sample of a group, scaled: field by its own robust size, chi by that times ``chi_ratio``.

    Attributes:
        inputs: (n, 1 + maps, x, y, z): the field, and first maps of chi for a network that corrects them.
        chi: (n, 1, x, y, z).
        mask: (n, 1, x, y, z) bool.
        voxel_size: (1, 3) mm, of all.
    """

    inputs: torch.Tensor
    chi: torch.Tensor
    mask: torch.Tensor
    voxel_size: torch.Tensor


class Pool:
    """The groups that steps draw from."""

    def __init__(self, heads: list[LiveHead], spec: LiveTraining) -> None:
        self._heads, self._spec = heads, spec
        self._groups: OrderedDict[int, Group] = OrderedDict()

    def patches(self, step: int) -> list[Patches]:
        """What a step (counted from 0) learns from, one item a voxel size."""
        spec = self._spec
        newest = step // spec.steps_a_group + spec.pool - 1
        rng = generator_for(spec.samples.seed, "live step", step)
        numbers = newest - rng.choice(spec.pool, size=spec.groups_a_step, replace=False)
        for number in list(self._groups):
            if number <= newest - spec.pool:
                del self._groups[number]
        return [self._cut(self._group(int(number)), step, rng) for number in numbers]

    def _group(self, number: int) -> Group:
        if number not in self._groups:
            self._groups[number] = make_group(self._heads, self._spec.samples, number, self._spec.group)
        return self._groups[number]

    def _cut(self, group: Group, step: int, rng: np.random.Generator) -> Patches:
        spec = self._spec
        swap = bool(rng.integers(2))
        size = tuple(min(n, m) for n, m in zip(spec.patch(step), group.field.shape[1:], strict=True))
        guard = np.ceil(spec.samples.guard / np.array(group.voxel_size)).astype(int)
        inputs: list[torch.Tensor] = []
        chis: list[torch.Tensor] = []
        masks: list[torch.Tensor] = []
        for number in range(len(group.field)):
            box = _place(group.mask[number], size, guard, rng)
            turned = [axis for axis in range(3) if rng.integers(2)]
            volumes = (group.channels(number), group.chi[number][None], group.mask[number][None])
            for volume, kept in zip(volumes, (inputs, chis, masks), strict=True):
                patch = volume[:, *box].flip([axis + 1 for axis in turned])
                kept.append(patch.transpose(1, 2) if swap else patch)
        vx, vy, vz = group.voxel_size
        sizes = torch.tensor([[vy, vx, vz] if swap else [vx, vy, vz]], device=group.field.device)
        scale = group.scale[:, None, None, None, None]
        seen, chi, mask = (torch.stack(kept) for kept in (inputs, chis, masks))
        return Patches(scaled(seen, scale, spec.chi_ratio), chi / (scale * spec.chi_ratio), mask, sizes)


def scaled(inputs: torch.Tensor, scale: torch.Tensor, chi_ratio: float) -> torch.Tensor:
    """Field and first maps (n, 1 + maps, x, y, z) in ppm over their units; ``scale`` is that of the fields."""
    return torch.cat([inputs[:, :1] / scale, inputs[:, 1:] / (scale * chi_ratio)], dim=1)


def _place(
    mask: torch.Tensor, size: tuple[int, ...], guard: np.ndarray, rng: np.random.Generator
) -> tuple[slice, slice, slice]:
    """Where a patch with much brain lies, off the window's rim."""
    room = np.array(mask.shape) - size
    # A patch too large for the window's inner part lies in its middle.
    low = np.minimum(guard, room // 2)
    corners = low + (rng.random((_TRIES, 3)) * (np.maximum(room - 2 * low, 0) + 1)).astype(int)
    boxes = [tuple(slice(int(c), int(c) + n) for c, n in zip(corner, size, strict=True)) for corner in corners]
    best, most = boxes[0], -1.0
    for box in boxes:
        share = float(mask[box].float().mean())
        if share > most:
            best, most = box, share
        if share >= _ENOUGH:
            break
    x, y, z = best
    return x, y, z


def validation_groups(heads: list[LiveHead], spec: LiveTraining) -> Iterator[tuple[str, list[Group]]]:
    """Make the fixed samples of each validation set: two heads of one voxel size a group, whole windows."""
    for name, samples in spec.validation.items():
        yield name, [make_group(heads, samples, number, 2) for number in range(spec.validation_groups)]
