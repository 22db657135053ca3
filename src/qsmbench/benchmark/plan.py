"""The plan of a run: jobs, hours, memory and disk by rule, from measured rates, and what was assumed on the way."""

from __future__ import annotations

from collections import defaultdict

from tabulate import tabulate

from qsmbench.benchmark.costs import (
    MEMORY_MARGIN,
    TIME_MARGIN,
    TRAINING_MARGIN,
    cost,
    measured_rate,
    read_rates,
    request,
)
from qsmbench.benchmark.disk import disk_need
from qsmbench.benchmark.first_run import known
from qsmbench.benchmark.run import Run
from qsmbench.benchmark.site import Site
from qsmbench.benchmark.steps.contract import Job
from qsmbench.benchmark.steps.registry import STEPS, jobs
from qsmbench.config.model import Config
from qsmbench.data.disk import size_text
from qsmbench.sets.bids import BidsSet

# Measured on a real SLURM: two nested Snakemakes, scheduling and the look at the queue.
JOB_OVERHEAD_SECONDS = 5


def plan(of: Run, site: Site) -> str:
    """Write the plan of a run from nothing, as Markdown."""
    config = of.config
    by_rule: dict[str, list[Job]] = defaultdict(list)
    for job in jobs(of):
        by_rule[job.rule].append(job)
    rows, bounds = [], []
    all_core = all_gpu = 0.0
    for rule, of_rule in by_rule.items():
        costs = [cost(job, config, site) for job in of_rule]
        asked = [request(job, config, site) for job in of_rule]
        core, gpu = sum(c.core_hours for c in costs), sum(c.gpu_hours for c in costs)
        all_core, all_gpu = all_core + core, all_gpu + gpu
        rows.append(
            [
                rule + (" (local)" if STEPS[rule].local else ""),
                len(of_rule),
                f"{core:.1f}",
                f"{gpu:.1f}" if gpu else "",
                f"{max(c.hours for c in costs):.2f}",
                f"{max(c.memory_mb for c in costs) / 1000:.1f}",
                f"{max(a.memory_mb for a in asked) / 1000:.1f}",
                max(a.minutes for a in asked),
            ]
        )
        bounds.append([rule, STEPS[rule].rate.bound])
    n_jobs = sum(len(of_rule) for rule, of_rule in by_rule.items() if not STEPS[rule].local)
    rows.append(["**all**", n_jobs, f"{all_core:.1f}", f"{all_gpu:.1f}" if all_gpu else "", "", "", "", ""])
    head = ["rule", "jobs", "core h", "GPU h", "h of the longest", "GB", "GB asked", "min asked"]
    disk = disk_need(of)
    parts = ", ".join(f"{name} {size_text(size)}" for name, size in disk.items())
    aligned = ("left", *["right"] * 7)
    gpu_gb = [c.gpu_memory_mb / 1000 for j in by_rule["train"] if (c := cost(j, config, site)).gpus]
    lines = [
        tabulate(rows, head, tablefmt="github", colalign=aligned, disable_numparse=True),
        "",
        f"{n_jobs} jobs of a cluster ({n_jobs * JOB_OVERHEAD_SECONDS / 3600:.1f} h of overhead, "
        f"{JOB_OVERHEAD_SECONDS} s a job, in parallel), {all_core:.0f} core hours, {all_gpu:.0f} GPU hours; "
        f"disk about {size_text(sum(disk.values()))} ({parts}).",
        "",
        "What bounds the memory of a job:",
        "",
        tabulate(bounds, ["rule", "bounded by"], tablefmt="github"),
        "",
        "Assumed:",
        "",
        *(f"- {text}" for text in _assumptions(config, site, by_rule, gpu_gb)),
    ]
    return "\n".join(lines) + "\n"


def unmeasured(config: Config) -> dict[str, str]:
    """Entries of `methods` whose method nobody measured, with that method; of networks the operations are known."""
    entries = {key: run.method or key for key, run in config.methods.items() if run.network is None}
    return {
        key: method for key, method in entries.items() if measured_rate(method, config.methods[key].options) is None
    }


def _assumptions(config: Config, site: Site, by_rule: dict[str, list[Job]], gpu_gb: list[float]) -> list[str]:
    rates = read_rates()
    said = [
        "cores like those measured (src/qsmbench/benchmark/steps and rates.yaml say for each rate what was timed, on "
        "which machine, when), each doing nothing else; time grows with the number of voxels",
        f"memory asked is {MEMORY_MARGIN:g} times the expected, time {TIME_MARGIN:g} times (training "
        f"{TRAINING_MARGIN:g}), at least 10 min, at most {site.max_memory_mb / 1000:g} GB and {site.max_minutes} min; "
        "a second attempt asks for twice, a third for three times as much; no failures are counted in the hours",
    ]
    training = [cost(job, config, site) for job in by_rule["train"]]
    if site.gpu_partition is None:
        said.append("no GPUs: networks are trained and applied on CPU cores")
    elif gpu_gb:
        said.append(
            f"a GPU does {site.gpu_tflops:g} TFLOP/s on these networks (site file: gpu_tflops); not measured, no GPU "
            "was at hand: 8 would be 40 % of an A100's 19.5 in float32"
        )
        said.append(
            f"training holds about {max(gpu_gb):.0f} GB on a GPU ({rates.networks.training_mb:g} bytes by voxel, "
            "sample of a batch and channel of the first level, as measured on CPUs)"
        )
    cut = [c for c in training if c.hours * 60 * TRAINING_MARGIN > site.max_minutes]
    if cut:
        times = int(max(c.hours for c in cut) * 60 / site.max_minutes) + 1
        said.append(
            f"the longest training ({max(c.hours for c in cut):.0f} h) does not fit one job of {site.max_minutes} min: "
            f"it goes on from its checkpoint in {times} attempts; give `--retries {times}`"
        )
    told, unknown = [], []
    for key, method in unmeasured(config).items():
        found = known(method, config.methods[key].options)
        if found is None:
            unknown.append(key)
        else:
            told.append(f"{key} {found.seconds_mvoxel:.2g} s a Mvoxel ({found.seconds:.2g} s on {found.voxels} voxels)")
    if told:
        said.append(f"estimated from a first small run, on this machine as busy as it was: {', '.join(told)}")
    if unknown:
        said.append(f"not measured, taken for slow: the methods {', '.join(unknown)}")
    folders = [name for name, scans in config.acquisitions.items() if isinstance(scans, BidsSet)]
    if folders:
        said.append(f"scans of {', '.join(folders)} have the research protocol's matrix; disk for them is not counted")
    return said
