"""Which samples go into which step: a function of seed and step alone, so that a resumed run sees the same batches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.core.seeds import generator_for
from qsmbench.data.store import StoredSet
from qsmbench.networks.architectures import Architecture
from qsmbench.networks.scaling import Scaling


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples side by side.

    Attributes:
        field: (B, 1, X, Y, Z), in units of the training fields' standard deviation, zero outside the mask.
        chi: (B, 1, X, Y, Z), in units of chi's.
        mask: (B, 1, X, Y, Z), bool.
        condition: (B, n), what the network is told beside the field.
        grids: geometry of each sample.
    """

    field: torch.Tensor
    chi: torch.Tensor
    mask: torch.Tensor
    condition: torch.Tensor
    grids: tuple[Grid, ...]

    def to(self, device: str | torch.device) -> Batch:
        """Return the batch on a device."""
        field, chi, mask, condition = (t.to(device) for t in (self.field, self.chi, self.mask, self.condition))
        return Batch(field, chi, mask, condition, self.grids)


def split(n_samples: int, fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Split sample indices into training and validation, at least one each, by seed.

    Raises:
        InputError: fewer than two samples.
    """
    if n_samples < 2:
        raise InputError(f"a training set needs at least 2 samples to hold one out, got {n_samples}")
    n_validation = min(max(1, round(n_samples * fraction)), n_samples - 1)
    order = generator_for(seed, "split").permutation(n_samples).tolist()
    return sorted(order[n_validation:]), sorted(order[:n_validation])


class Batches:
    """Batches of a stored set, by step number; every epoch visits each training sample once, in a new order."""

    def __init__(
        self,
        stored: StoredSet,
        indices: list[int],
        *,
        batch_size: int,
        seed: int,
        scaling: Scaling,
        architecture: Architecture,
    ) -> None:
        self.stored, self.indices, self.seed, self.scaling = stored, indices, seed, scaling
        self.batch_size, self.architecture = batch_size, architecture
        self._order = lru_cache(maxsize=2)(self._permutation)

    def _permutation(self, epoch: int) -> list[int]:
        order: list[int] = generator_for(self.seed, "epoch", epoch).permutation(self.indices).tolist()
        return order

    def at(self, step: int) -> list[int]:
        """Indices of the samples of a step (counted from 0)."""
        n = len(self.indices)
        places = range(step * self.batch_size, (step + 1) * self.batch_size)
        return [self._order(place // n)[place % n] for place in places]

    def load(self, indices: list[int]) -> Batch:
        """Read samples."""
        fields, chis, masks, voxel_sizes = zip(*(self.stored.pair(i) for i in indices), strict=True)
        grids = tuple(self.stored.grid(i) for i in indices)
        mask = torch.from_numpy(np.stack(masks))[:, None]
        # Methods are given a field that is zero outside the mask, so the network learns from such fields.
        field = torch.where(mask, torch.from_numpy(np.stack(fields))[:, None] / self.scaling.field_std, 0.0)
        chi = torch.from_numpy(np.stack(chis))[:, None] / self.scaling.chi_std
        b0_dirs = torch.tensor([grid.b0_dir for grid in grids])
        condition = self.architecture.conditions(self.scaling, torch.from_numpy(np.stack(voxel_sizes)), b0_dirs)
        return Batch(field, chi, mask, condition, grids)


def measure_scaling(stored: StoredSet, indices: list[int], n_measured: int = 64) -> Scaling:
    """Take the standard deviations of field and chi inside the masks, and the range of voxel sizes.

    Args:
        stored: the training set.
        indices: its training samples.
        n_measured: volumes read for the standard deviations; more change them by well under a per cent.
    """
    sums = np.zeros((2, 3))
    for i in indices[:n_measured]:
        field, chi, mask, _ = stored.pair(i)
        for row, volume in zip(sums, (field, chi), strict=True):
            inside = volume[mask].astype(np.float64)
            np.add(row, (inside.size, inside.sum(), (inside**2).sum()), out=row)
    if not (sums[:, 0] > 0).all():
        raise InputError(f"{stored.path}: the masks of its first samples are empty")
    std = np.sqrt(sums[:, 2] / sums[:, 0] - (sums[:, 1] / sums[:, 0]) ** 2)
    logs = np.log([stored.grid(i).voxel_size for i in indices])
    low, high = logs.min(axis=0), logs.max(axis=0)
    halfwidth = np.where(high - low > 1e-6, (high - low) / 2, 0.0)
    centre = (low + high) / 2
    return Scaling(
        float(std[0]),
        float(std[1]),
        (float(centre[0]), float(centre[1]), float(centre[2])),
        (float(halfwidth[0]), float(halfwidth[1]), float(halfwidth[2])),
    )
