"""Steps of the synthetic sets: heads, stores, shards, labels, pictures."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

from qsmbench.benchmark.run import Run
from qsmbench.benchmark.steps.contract import SMALL, Job, Rate, Step, lazily
from qsmbench.core.spread import Spread, one_by_one
from qsmbench.heads.registry import heads_of

HEADS = "the heads that everything is made from"
SETS = "synthetic sets: Zarr stores, what was drawn and hashed of every sample, tissue labels"


def _source(of: Run) -> None:
    from qsmbench.benchmark.source import make_source

    make_source(of.config.source, of.layout.source)


def _inspect(of: Run, set: str, spread: Spread = one_by_one) -> None:
    from qsmbench.report.inspection import inspect_set

    pictures = of.layout.inspection(set)
    inspect_set(of.layout.store(set), pictures[0].parent, spread=spread)


def _set_spec(of: Run, set: str, **changed: Any) -> dict[str, Any]:
    """A set's section without its heading and its methods, which are no part of what its samples are."""
    spec = {key: value for key, value in of.resolved["synthetic"][set].items() if key not in ("label", "methods")}
    return {"seed": of.resolved["seed"], "synthetic": {set: spec | changed}}


def _shard_spec(of: Run, set: str, shard: str) -> dict[str, Any]:
    # How many samples it holds, and not how many follow.
    return _set_spec(of, set, n_samples=of.config.synthetic[set].in_shard(int(shard)).stop)


def _mvoxels(of: Run, name: str) -> float:
    return prod(of.config.synthetic[name].recipe.shape) / 1e6


def _one_a_set(rule: str, *, tests_only: bool = False, volumes: bool = True) -> Any:
    def jobs(of: Run) -> Iterator[Job]:
        for name, spec in of.config.synthetic.items():
            if spec.role == "test" or not tests_only:
                yield Job(rule, (name,), spec.n_samples, _mvoxels(of, name)) if volumes else Job(rule, (name,))

    return jobs


def _shards(of: Run) -> Iterator[Job]:
    for name, spec in of.config.synthetic.items():
        for shard in range(spec.n_shards):
            yield Job("make_shard", (name, str(shard)), len(spec.in_shard(shard)), _mvoxels(of, name))


STEPS = (
    Step(
        "source",
        "bring the heads that everything is made from into one folder",
        (),
        _source,
        lambda of: {"source": of.resolved["source"]},
        lambda of: iter([Job("source", n_volumes=len(heads_of(of.config.source)))]),
        Rate(5, 800, "one head", "default run (A, 2026-11), 3.3 to 6.0 s and 729 MB for the phantom; a download of "
             "245 MB comes on top"),
        {"source": HEADS},
        again="qsmbench.audit.again.samples:heads",
    ),
    Step(
        "create_set",
        "write the metadata of a synthetic set",
        ("set",),
        lazily("qsmbench.benchmark.synthesis:create_set"),
        _set_spec,
        _one_a_set("create_set", volumes=False),
        SMALL,
        {"synthetic": SETS},
        local=True,
    ),
    Step(
        "make_shard",
        "make one shard of a synthetic set",
        ("set", "shard"),
        lazily("qsmbench.benchmark.synthesis:make_shard"),
        _shard_spec,
        _shards,
        Rate(5, 650, "one shard (samples_per_shard), which is written whole; not the set",
             "docs/synthesis.md, 2,000 samples in shards of 250 (A, 2026-10), 220 ms a sample, 2.3 GB; default run",
             seconds_mvoxel=0.21, megabytes_volume=60, megabytes_all=6.3),
        {"synthetic": SETS},
        again="qsmbench.audit.again.samples:samples",
    ),
    Step(
        "make_labels",
        "label the tissues of a test set",
        ("set",),
        lazily("qsmbench.benchmark.labels:make_labels"),
        _set_spec,
        _one_a_set("make_labels", tests_only=True),
        Rate(6, 600, "one sample; labels are written as they are made",
             "default run, test-fixed (A, 2026-11-21), 10.8 s and 463 MB", seconds_mvoxel=0.4, megabytes_volume=60),
        {"synthetic": SETS},
    ),
    Step(
        "inspect",
        "draw samples and drawn parameters of a synthetic set",
        ("set",),
        _inspect,
        lambda of, set: {},
        _one_a_set("inspect"),
        Rate(10, 700, "the table of what was drawn (a row a sample, a row a shape); volumes are read one at a time, "
             "and only those shown", "default run (A, 2026-11)",
             seconds_mvoxel=0.002, megabytes_volume=20, megabytes_all=0.02),
        {"inspect": "pictures of the synthetic sets"},
        spreads=True,
    ),
)  # fmt: skip
