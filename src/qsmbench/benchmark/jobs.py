"""Every job that a configuration means, by rule and wildcards, with the size that its cost depends on.

The plan counts them and the rules ask for their memory and time; a test compares the list with Snakemake's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from qsmbench.config.model import AcquiredSet, Config, MethodRun, SimulatedSet
from qsmbench.core.grid import Shape
from qsmbench.simulation.acquisition.protocol import PROTOCOLS

# These write a few lines or copy a small file: Snakemake runs them where it runs itself, not as jobs of a cluster.
LOCAL_RULES = ("create_set", "describe_acquisitions", "choose", "give_weights")


@dataclass(frozen=True)
class Job:
    """One job.

    Attributes:
        rule: its rule.
        wildcards: values in the order of the rule's wildcards as Snakemake lists them.
        n_volumes: how many volumes it goes through, one after the other (training: samples seen).
        mvoxels: size of one of them, in millions of voxels.
        method: the method of a reconstruction, by its name in the registry.
        network: the trained network that is trained or applied, by its name in the configuration.
    """

    rule: str
    wildcards: tuple[str, ...] = ()
    n_volumes: int = 1
    mvoxels: float = 0.0
    method: str | None = None
    network: str | None = None


def shape_of(scans: AcquiredSet) -> Shape:
    """Voxels of a set's scans; of a BIDS folder, which nobody reads for this, those of the research protocol."""
    if isinstance(scans, SimulatedSet):
        return PROTOCOLS[scans.protocol].scaled(scans.scale).matrix
    return PROTOCOLS["research"].matrix


def subjects_of(scans: AcquiredSet) -> list[str]:
    """Labels of a set's subjects; of a BIDS folder those that it holds, unless they are listed."""
    if scans.subjects or isinstance(scans, SimulatedSet):
        return list(scans.subjects)
    return sorted(path.name.removeprefix("sub-") for path in scans.folder.glob("sub-*"))


def jobs(config: Config) -> Iterator[Job]:
    """Yield every job of a run from nothing, in no particular order."""
    yield Job("source", n_volumes=len(config.source.heads) if config.source.kind == "mixture" else 1)
    yield from _synthetic_jobs(config)
    yield from _network_jobs(config)
    yield from _scan_jobs(config)
    n_volumes = sum(s.n_samples for s in config.synthetic.values() if s.role == "test")
    n_volumes += sum(len(subjects_of(s)) for s in config.acquisitions.values())
    yield Job("collect_scores", n_volumes=n_volumes)
    yield Job("report", n_volumes=n_volumes)
    sizes = [prod(s.recipe.shape) * s.n_samples for s in config.synthetic.values()]
    sizes += [prod(shape_of(s)) * len(subjects_of(s)) for s in config.acquisitions.values()]
    yield Job("crate", mvoxels=sum(sizes) / 1e6)
    if any(s.role == "test" for s in config.synthetic.values()):
        yield Job("method_table", n_volumes=n_volumes)


def _method(key: str, run: MethodRun) -> dict[str, str | None]:
    return {"method": run.method or key, "network": run.network}


def _synthetic_jobs(config: Config) -> Iterator[Job]:
    for name, spec in config.synthetic.items():
        size = prod(spec.recipe.shape) / 1e6
        yield Job("create_set", (name,))
        for shard in range(spec.n_shards):
            n = min(spec.samples_per_shard, spec.n_samples - shard * spec.samples_per_shard)
            yield Job("make_shard", (name, str(shard)), n, size)
        yield Job("inspect", (name,), spec.n_samples, size)
        if spec.role == "test":
            yield Job("make_labels", (name,), spec.n_samples, size)
            for key, run in config.methods.items():
                yield Job("reconstruct", (name, key), spec.n_samples, size, **_method(key, run))
                yield Job("evaluate", (name, key), spec.n_samples, size)


def _network_jobs(config: Config) -> Iterator[Job]:
    for name in config.given_networks:
        yield Job("give_weights", (name,))
    for name, network in config.trained_networks.items():
        spec = config.synthetic[network.train_set]
        patch = network.patch or spec.recipe.shape
        size = prod(min(n, m) for n, m in zip(patch, spec.recipe.shape, strict=True)) / 1e6
        yield Job("train", (name,), network.steps * network.batch_size, size, network=name)
    for key, run in config.methods.items():
        if run.tuning is not None:
            spec = config.synthetic[run.tuning.set]
            size = prod(spec.recipe.shape) / 1e6
            for point in range(len(run.tuning.points)):
                yield Job("tune_point", (key, str(point)), spec.n_samples, size, **_method(key, run))
            yield Job("choose", (key,))


def _scan_jobs(config: Config) -> Iterator[Job]:
    for name, scans in config.acquisitions.items():
        subjects, size = subjects_of(scans), prod(shape_of(scans)) / 1e6
        simulated = isinstance(scans, SimulatedSet)
        if simulated:
            yield Job("describe_acquisitions", (name,))
            yield Job("evaluate_fields", (name,), len(subjects), size)
        for subject in subjects:
            if simulated:
                yield Job("acquire", (name, subject), 1, size)
            yield Job("prepare", (name, subject), 1, size)
        for key, run in config.methods.items():
            yield Job("reconstruct_subjects", (name, key), len(subjects), size, **_method(key, run))
            if simulated:
                yield Job("evaluate_subjects", (name, key), len(subjects), size)
