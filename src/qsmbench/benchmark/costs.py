"""What a job costs by measured rates (the table of steps, rates.yaml), and what it therefore asks of a cluster.

Time and memory are linear in the voxels a job goes through and holds; networks go by their floating-point operations.
Requests stand above the expectation: 1.5 times the memory, 4 times the processor time (other machines, slow disks), the
attempt's number of times as much after a failure, and never more than the site has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, prod
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from qsmbench.benchmark.first_run import FirstRun, known
from qsmbench.benchmark.run import Run
from qsmbench.benchmark.site import Site
from qsmbench.benchmark.steps.contract import Job
from qsmbench.benchmark.steps.registry import STEPS, jobs
from qsmbench.config.model import Config
from qsmbench.config.networks import GivenNetwork, Network
from qsmbench.core.section import Section
from qsmbench.methods.registry import METHODS
from qsmbench.networks.contract import Architecture
from qsmbench.training.memory import KEPT_MAPS_MB

RATES = Path(__file__).with_name("rates.yaml")
# Beyond the measured memory and time, on machines that are not the one measured.
MEMORY_MARGIN, TIME_MARGIN = 1.5, 4.0
# Training is long and its estimate is its steps': four times as much would not be granted, and it goes on when cut.
TRAINING_MARGIN = 1.5


class MethodRate(Section):
    """What a method adds: by million voxels of all volumes, and of one."""

    seconds: float
    memory_mb: float


class VariantRate(MethodRate):
    """What a method adds with options that change its costs."""

    method: str
    options: dict[str, Any]
    source: str


class NetworkRate(Section):
    """What networks cost."""

    core_tflops: float
    training_mb: float
    inference_mb: float
    gpu_host_mb: float
    source: str


class Rates(Section):
    """rates.yaml."""

    methods: dict[str, MethodRate]
    methods_source: str
    variants: tuple[VariantRate, ...]
    metrics: dict[str, float]
    metrics_source: str
    networks: NetworkRate


@lru_cache(maxsize=1)
def read_rates() -> Rates:
    """Read the measured rates."""
    return Rates.model_validate(yaml.safe_load(RATES.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Cost:
    """What one job is expected to take: hours (of a core; of a GPU where it has one), memory, GPUs."""

    core_hours: float
    gpu_hours: float
    memory_mb: float
    gpus: int
    gpu_memory_mb: float = 0.0

    @property
    def hours(self) -> float:
        """Wall time on machines that do nothing else."""
        return self.gpu_hours / self.gpus if self.gpus else self.core_hours


@dataclass(frozen=True)
class Request:
    """What one job asks for."""

    memory_mb: int
    minutes: int
    gpus: int


class _Applied(NamedTuple):
    """A network, and the first maps that it is given."""

    kind: Architecture
    first_map: str | None
    n_first_maps: int


def _applied(network: Network | GivenNetwork) -> _Applied:
    if isinstance(network, Network):
        return _Applied(network.settings, network.first_map, len(network.first_map_regularization) or 1)
    return _of_weights(network.weights)


# Every job that applies a network asks for it.
@lru_cache
def _of_weights(weights: str) -> _Applied:
    # Imported here: torch takes seconds, and few configurations are given networks.
    from qsmbench.networks.weights import load_network

    network = load_network(weights)
    return _Applied(network.kind, network.options.get("first_map"), network.n_first_maps or 1)


def wants_gpu(job: Job, site: Site) -> bool:
    """Whether a job asks for GPUs where it runs."""
    if site.gpu_partition is None:
        return False
    return job.rule == "train" or (job.method in METHODS and METHODS[str(job.method)].wants_gpu)


def cost(job: Job, config: Config, site: Site) -> Cost:
    """Expected cost of a job."""
    rates = read_rates()
    rate = STEPS[job.rule].rate
    voxels = job.n_volumes * job.mvoxels
    seconds = rate.seconds + rate.seconds_mvoxel * voxels
    memory = rate.megabytes + rate.megabytes_volume * job.mvoxels + rate.megabytes_all * voxels
    if job.rule == "evaluate":
        seconds += voxels * sum(rates.metrics.get(m, rates.metrics["other"]) for m in config.evaluation.metrics)
    gpus, gpu_seconds, gpu_memory = 0, 0.0, 0.0
    if job.network is not None:
        network = config.networks[job.network]
        training = job.rule == "train"
        applied = _applied(network)
        # A backward pass costs twice a forward one.
        tflop = applied.kind.flops * voxels / 1e6 * (3 if training else 1)
        ranks, held = 1, rates.networks.inference_mb
        # First maps are made of each volume that the network is applied to, and in training of each sample once.
        mapped, largest, kept = voxels, job.mvoxels, 0.0
        if training and isinstance(network, Network):
            ranks, held = network.devices, rates.networks.training_mb * network.batch_size
            spec = config.synthetic[network.train_set]
            largest = prod(spec.recipe.shape) / 1e6
            mapped = min(job.n_volumes, spec.n_samples) * largest
            # Half precision, as far as there is room.
            kept = min(KEPT_MAPS_MB, 2 * mapped * applied.n_first_maps)
            if network.patch is not None:
                # Validation is on whole samples.
                memory += rates.networks.inference_mb * largest * applied.kind.width
        if applied.first_map is not None:
            first = rates.methods[applied.first_map]
            seconds += first.seconds * mapped * applied.n_first_maps
            memory += first.memory_mb * largest + kept
        activations = held * job.mvoxels * applied.kind.width / ranks
        if wants_gpu(job, site):
            gpus, gpu_memory = ranks, activations
            gpu_seconds = gpus * seconds + tflop / site.gpu_tflops
            seconds, memory = gpu_seconds, memory + ranks * rates.networks.gpu_host_mb
        else:
            seconds += tflop / rates.networks.core_tflops
            memory += activations * ranks
    elif job.method is not None:
        method = _rate_of(job, config)
        memory += method.memory_mb * job.mvoxels
        if wants_gpu(job, site):
            # Timed on cores; a GPU is taken to gain what it gains on networks.
            gpus, gpu_memory = 1, method.memory_mb * job.mvoxels
            gpu_seconds = seconds + method.seconds * voxels * rates.networks.core_tflops / site.gpu_tflops
            seconds, memory = gpu_seconds, memory + rates.networks.gpu_host_mb
        else:
            seconds += method.seconds * voxels
    return Cost(seconds / 3600, gpu_seconds / 3600, memory, gpus, gpu_memory)


def _rate_of(job: Job, config: Config) -> MethodRate:
    """What was measured, or told by a first small run with the same options; else that of `other`."""
    key = job.wildcards[1 if job.rule == "reconstruct" else 0] if job.wildcards else ""
    options = config.methods[key].options if key in config.methods else {}
    if (measured := measured_rate(str(job.method), options)) is not None:
        return measured
    other = read_rates().methods["other"]
    if key not in config.methods:
        return other
    found = _told(str(job.method), json.dumps(config.methods[key].options, default=str))
    return other if found is None else MethodRate(seconds=found.seconds_mvoxel, memory_mb=other.memory_mb)


def measured_rate(method: str, options: Mapping[str, Any]) -> MethodRate | None:
    """What was measured of a method; where it was with some of these options, with the most of them."""
    rates = read_rates()
    variants = [
        variant
        for variant in rates.variants
        if variant.method == method and all(options.get(key) == value for key, value in variant.options.items())
    ]
    return max(variants, key=lambda variant: len(variant.options), default=rates.methods.get(method))


# Asked once for each resource of each job.
@lru_cache
def _told(method: str, options: str) -> FirstRun | None:
    return known(method, json.loads(options))


def request(job: Job, config: Config, site: Site, attempt: int = 1) -> Request:
    """What a job asks for at its n-th attempt."""
    expected = cost(job, config, site)
    memory = ceil((MEMORY_MARGIN * expected.memory_mb + 500) / 500) * 500
    margin = TRAINING_MARGIN if job.rule == "train" else TIME_MARGIN
    hours = expected.hours
    if job.rule == "train" and not expected.gpus:
        network = config.trained_networks[job.network or ""]
        hours /= network.threads * network.devices
    minutes = max(10, 10 * ceil(margin * hours * 60 / 10))
    return Request(min(attempt * memory, site.max_memory_mb), min(attempt * minutes, site.max_minutes), expected.gpus)


class Requests:
    """What each job of a configuration asks for, as resources of its rule."""

    def __init__(self, of: Run, site: Site) -> None:
        self.config, self.site = of.config, site
        self._jobs = {(job.rule, job.wildcards): job for job in jobs(of)}

    def job(self, rule: str, wildcards: Sequence[str]) -> Job:
        """Find a job; one that no run makes (maps of a training set, say) is taken for its rule's largest."""
        found = self._jobs.get((rule, tuple(wildcards)))
        if found is not None:
            return found
        others = [job for (name, _), job in self._jobs.items() if name == rule]
        return max(others, key=lambda job: job.n_volumes * job.mvoxels, default=Job(rule))

    def resources(self, rule: str) -> dict[str, Callable[..., int | str | None]]:
        """Functions of wildcards and attempt, by name of the resource; None where a job has no such wish."""
        site = self.site

        def memory(wildcards: Sequence[str], attempt: int) -> int:
            return request(self.job(rule, wildcards), self.config, site, attempt).memory_mb

        def minutes(wildcards: Sequence[str], attempt: int) -> int:
            return request(self.job(rule, wildcards), self.config, site, attempt).minutes

        def gpus(wildcards: Sequence[str]) -> int | None:
            return request(self.job(rule, wildcards), self.config, site).gpus or None

        def partition(wildcards: Sequence[str]) -> str | None:
            return site.gpu_partition if gpus(wildcards) else site.cpu_partition

        asked: dict[str, Callable[..., int | str | None]] = {
            "mem_mb": memory,
            "runtime": minutes,
            "gpu": gpus,
            "gpu_model": lambda wildcards: site.gpu_model if gpus(wildcards) else None,
            "slurm_partition": partition,
            "slurm_account": lambda wildcards: site.account,
        }
        return asked | (self._ranks(rule) if rule == "train" else {})

    def _ranks(self, rule: str) -> dict[str, Callable[..., int | str | None]]:
        """What training on several devices says besides: ranks under srun, on as many nodes as they need."""

        def ranks(wildcards: Sequence[str]) -> int:
            return self.config.trained_networks[self.job(rule, wildcards).network or ""].devices

        def several(value: Callable[[Sequence[str]], int | str]) -> Callable[..., int | str | None]:
            return lambda wildcards: value(wildcards) if ranks(wildcards) > 1 else None

        on_gpus = self.site.gpu_partition is not None
        return {
            # The word that keeps the executor from starting the job under an srun of its own.
            "mpi": several(lambda wildcards: "srun"),
            "tasks": several(ranks),
            # No --ntasks-per-gpu: the number of tasks is said, and each takes its GPU by its local rank.
            "tasks_per_gpu": several(lambda wildcards: 0),
            "cpus_per_task": several(lambda wildcards: self._threads(rule, wildcards)),
            "nodes": several(lambda wildcards: ceil(ranks(wildcards) / self.site.gpus_per_node) if on_gpus else 1),
        }

    def _threads(self, rule: str, wildcards: Sequence[str]) -> int:
        return self.config.trained_networks[self.job(rule, wildcards).network or ""].threads
