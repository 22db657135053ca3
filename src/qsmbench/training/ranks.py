"""Several processes that train one network, each on its own device, as srun or torchrun started them.

Every process (rank) takes its part of each step's batch. The loss is the mean over the voxels of the whole batch, so
that gradients are those of the batch however it was shared; batch normalisation sees the statistics of a rank's part.
Nothing depends on which rank is faster: the same number of ranks gives the same numbers (on CPUs, the same bits).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from qsmbench.core.errors import InputError

T = TypeVar("T")

# A rank that waits this long for another is alone: that one died.
_PATIENCE = timedelta(minutes=30)


@dataclass(frozen=True)
class Ranks:
    """One process among ``size``, number ``rank``, on ``device``."""

    rank: int = 0
    size: int = 1
    device: str = "cpu"

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> list[T]:
        """Return this rank's part: neighbours stay together, parts differ by one at most.

        >>> [Ranks(rank, 3).share("abcde") for rank in range(3)]
        [['a', 'b'], ['c', 'd'], ['e']]
        """
        few, more = divmod(len(items), self.size)
        first = self.rank * few + min(self.rank, more)
        return list(items[first : first + few + (self.rank < more)])

    def total(self, *values: float) -> list[float]:
        """Sum each value over the ranks, in float64."""
        if self.size == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.all_reduce(sums)
        return [float(v) for v in sums]

    def parallel(self, module: nn.Module) -> nn.Module:
        """Let the ranks take the mean of their gradients, and rank 0's running statistics."""
        if self.size == 1:
            return module
        return DistributedDataParallel(module, device_ids=[self.device] if self.device != "cpu" else None)


def join(size: int, device: str) -> Ranks:
    """Meet the other ranks; with a size of one there are none.

    Args:
        size: how many processes there must be.
        device: ``cpu``, or ``cuda`` for the GPU with the number of this process on its node.

    Raises:
        InputError: this process was not started as one of ``size``.
    """
    if size == 1:
        return Ranks(device=device)
    place = _started_by(os.environ)
    if place is None or place["WORLD_SIZE"] != str(size):
        found = "alone" if place is None else f"as one of {place['WORLD_SIZE']}"
        raise InputError(
            f"networks.*.devices is {size}, but this process was started {found}; start it by 'srun --ntasks={size}' "
            f"in a SLURM job or by 'torchrun --standalone --no-python --nproc-per-node={size}'"
        )
    os.environ.update(place)
    if device != "cpu":
        device = f"cuda:{int(place['LOCAL_RANK']) % torch.cuda.device_count()}"
        torch.cuda.set_device(device)
    distributed.init_process_group("gloo" if device == "cpu" else "nccl", timeout=_PATIENCE)
    return Ranks(distributed.get_rank(), size, device)


def leave() -> None:
    """End the connection to the other ranks."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def _started_by(environment: os._Environ[str] | dict[str, str]) -> dict[str, str] | None:
    """What torch.distributed reads, from torchrun's variables or from srun's; None where there are neither.

    >>> _started_by({"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2", "SLURM_LOCALID": "1",
    ...     "SLURM_LAUNCH_NODE_IPADDR": "10.0.0.1", "SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0"})["MASTER_PORT"]
    '20007'
    """
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    if all(name in environment for name in names):
        return {name: environment[name] for name in names}
    if "SLURM_PROCID" not in environment or "SLURM_STEP_NUM_TASKS" not in environment:
        return None
    # srun runs on the first node of the job, and so does rank 0. Jobs that share a node have ports of their own.
    port = 20_000 + (int(environment["SLURM_JOB_ID"]) + 97 * int(environment.get("SLURM_STEP_ID", "0"))) % 10_000
    return {
        "RANK": environment["SLURM_PROCID"],
        "WORLD_SIZE": environment["SLURM_STEP_NUM_TASKS"],
        "LOCAL_RANK": environment["SLURM_LOCALID"],
        "MASTER_ADDR": environment["SLURM_LAUNCH_NODE_IPADDR"],
        "MASTER_PORT": str(port),
    }
