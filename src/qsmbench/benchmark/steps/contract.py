"""What the table says of each step; nothing heavy is loaded before a step runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from qsmbench.benchmark.run import Run
from qsmbench.core.registry import load


@dataclass(frozen=True)
class Job:
    """One job of a step.

    Attributes:
        rule: its rule.
        wildcards: values in the order of the step's wildcards.
        n_volumes: how many volumes it goes through, one after the other (training: samples seen).
        mvoxels: size of one of them, in millions of voxels.
        method: the method of a reconstruction, by its name in the registry.
        network: the network that is trained or applied, by its name in the configuration.
    """

    rule: str
    wildcards: tuple[str, ...] = ()
    n_volumes: int = 1
    mvoxels: float = 0.0
    method: str | None = None
    network: str | None = None


@dataclass(frozen=True)
class Rate:
    """What a step's jobs were measured to cost, beside what their method or network costs (rates.yaml).

    A job over n volumes of v million voxels takes ``seconds`` + ``seconds_mvoxel`` n v of processor time on one thread,
    and at its peak ``megabytes`` + ``megabytes_volume`` v + ``megabytes_all`` n v of memory.

    Attributes:
        bound: what holds the memory.
        source: where it was measured. A is two cores of an AMD EPYC that other work kept busy, so that processor time
            is what to compare; "default run" is config.yaml on A.
    """

    seconds: float
    megabytes: float
    bound: str
    source: str
    seconds_mvoxel: float = 0.0
    megabytes_volume: float = 0.0
    megabytes_all: float = 0.0


def lazily(target: str) -> Callable[..., None]:
    """A step's function by its place, ``module:name``, loaded when the step runs."""

    def run(of: Run, **wildcards: str) -> None:
        load(target)(of, **wildcards)

    return run


# A process that writes a few lines of JSON.
SMALL = Rate(3, 500, "nothing; a few lines of JSON", "start of a process with torch (A, 2026-11)")


@dataclass(frozen=True)
class Step:
    """One step of a run, and one rule of the workflow.

    Attributes:
        rule: name of the rule; with hyphens, that of the command.
        text: what it does, in one line.
        wildcards: names of what tells its jobs apart, in the order in which its rule has them.
        run: does one job: `run(of, **wildcards)`; None where its rule calls a command that people use.
        told: the part of the configuration that determines a job's result: `told(of, **wildcards)`. A change of it
            makes the job again; the job's record repeats it, and the audit compares.
        jobs: every job of a run from nothing.
        rate: what they cost.
        makes: folders of the results, or single files, and what the crate says of them.
        local: it takes seconds and runs where Snakemake runs, not as a job of a cluster.
        spreads: its ``run`` takes ``spread`` too, a way to go through scans or samples on a cluster's workers.
        again: function of the audit that makes a part of the results again, `module:function`.
    """

    rule: str
    text: str
    wildcards: tuple[str, ...]
    run: Callable[..., None] | None
    told: Callable[..., dict[str, Any]]
    jobs: Callable[[Run], Iterator[Job]]
    rate: Rate
    makes: Mapping[str, str] = field(default_factory=dict)
    local: bool = False
    spreads: bool = False
    again: str = ""

    @property
    def command(self) -> str:
        """Name of the command: `qsmbench step <command>`."""
        return self.rule.replace("_", "-")
