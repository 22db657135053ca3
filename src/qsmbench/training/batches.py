"""Which samples go into which step: a function of seed and step alone, so that a resumed run sees the same batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid, Shape
from qsmbench.core.scan import Scan
from qsmbench.core.seeds import generator_for
from qsmbench.data.store import StoredSet
from qsmbench.methods.network_input import network_input
from qsmbench.networks.contract import Architecture
from qsmbench.networks.scaling import Scaling
from qsmbench.training.memory import KEPT_MAPS_MB


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples side by side.

    Attributes:
        inputs: (B, 1 + first maps, X, Y, Z), what the network sees (`qsmbench.methods.network_input`).
        chi: (B, 1, X, Y, Z), in units of chi's.
        mask: (B, 1, X, Y, Z), bool.
        condition: (B, n), what the network is told beside the field.
        grids: geometry of each sample.
    """

    inputs: torch.Tensor
    chi: torch.Tensor
    mask: torch.Tensor
    condition: torch.Tensor
    grids: tuple[Grid, ...]

    def to(self, device: str | torch.device) -> Batch:
        """Return the batch on a device."""
        inputs, chi, mask, condition = (t.to(device) for t in (self.inputs, self.chi, self.mask, self.condition))
        return Batch(inputs, chi, mask, condition, self.grids)


class Pick(NamedTuple):
    """A sample, whole or (``draw`` given, which seeds the place) a patch of it."""

    sample: int
    draw: int | None = None


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
        patch: Shape | None = None,
        first_map: str | None = None,
        first_map_regularization: Sequence[float] = (),
        cache: float = KEPT_MAPS_MB * 1e6,
    ) -> None:
        """Read from a set.

        Args:
            stored: the set.
            indices: its training samples.
            batch_size: samples a step.
            seed: of order and patches.
            scaling: of the network.
            architecture: of the network.
            patch: voxels cut from each sample of a step; by default the whole sample.
            first_map: method whose map the network corrects, if any.
            first_map_regularization: of each of several such maps.
            cache: bytes of memory for first maps, which are then made once.
        """
        self.stored, self.indices, self.seed, self.scaling = stored, indices, seed, scaling
        self.batch_size, self.architecture = batch_size, architecture
        self.patch, self.first_map, self.regularization = patch, first_map, first_map_regularization
        self._room, self._kept = cache, dict[int, torch.Tensor]()
        self._order = lru_cache(maxsize=2)(self._permutation)

    def _permutation(self, epoch: int) -> list[int]:
        order: list[int] = generator_for(self.seed, "epoch", epoch).permutation(self.indices).tolist()
        return order

    def at(self, step: int) -> list[Pick]:
        """What goes into a step (counted from 0)."""
        n = len(self.indices)
        places = range(step * self.batch_size, (step + 1) * self.batch_size)
        return [Pick(self._order(place // n)[place % n], place) for place in places]

    def load(self, picks: list[Pick]) -> Batch:
        """Read samples."""
        parts = [self._load(pick) for pick in picks]
        inputs, chi, mask = (torch.stack(tensors) for tensors in list(zip(*parts, strict=True))[:3])
        grids = tuple(part[3] for part in parts)
        voxel_sizes, b0_dirs = (torch.tensor([getattr(g, name) for g in grids]) for name in ("voxel_size", "b0_dir"))
        return Batch(inputs, chi, mask, self.architecture.conditions(self.scaling, voxel_sizes, b0_dirs), grids)

    def _load(self, pick: Pick) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, Grid]:
        field, chi, inside, grid = self.stored.pair(pick.sample)
        mask = torch.from_numpy(inside)
        scan = Scan(local_field=torch.from_numpy(field), mask=mask, grid=grid)
        inputs = self._inputs(pick.sample, scan)
        truth = torch.from_numpy(chi)[None] / self.scaling.units(scan.local_field, mask)[1]
        if self.patch is None or pick.draw is None:
            return inputs, truth, mask[None], grid
        box = self._place(inside, pick.draw)
        shape = (box[0].stop - box[0].start, box[1].stop - box[1].start, box[2].stop - box[2].start)
        part = Grid(shape, grid.voxel_size, grid.b0_dir)
        return inputs[(slice(None), *box)], truth[(slice(None), *box)], mask[None][(slice(None), *box)], part

    def _inputs(self, index: int, scan: Scan) -> torch.Tensor:
        field = network_input(scan, self.scaling, None)
        if self.first_map is None:
            return field
        first = self._kept.get(index)
        if first is None:
            # Half precision whether kept or not, so that the room for them does not change the numbers.
            first = network_input(scan, self.scaling, self.first_map, self.regularization)[1:].half()
            if self._room >= (size := first.nelement() * first.element_size()):
                self._kept[index], self._room = first, self._room - size
        return torch.cat([field, first.to(field.dtype)])

    def _place(self, mask: NDArray[np.bool_], draw: int) -> tuple[slice, slice, slice]:
        """Put a patch around a random voxel of the brain, inside the sample."""
        assert self.patch is not None
        voxels = np.flatnonzero(mask)
        generator = generator_for(self.seed, "patch", draw)
        centre = np.unravel_index(voxels[generator.integers(len(voxels))], mask.shape)
        sizes = [min(n, m) for n, m in zip(self.patch, mask.shape, strict=True)]
        low = [int(np.clip(c - n // 2, 0, m - n)) for c, n, m in zip(centre, sizes, mask.shape, strict=True)]
        x, y, z = (slice(a, a + n) for a, n in zip(low, sizes, strict=True))
        return x, y, z


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
