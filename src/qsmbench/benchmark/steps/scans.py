"""Steps of the scans: simulated acquisitions, preparation, and how good prepared fields are."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

from qsmbench.benchmark.run import Run
from qsmbench.benchmark.steps.contract import SMALL, Job, Rate, Step
from qsmbench.core.hashes import folder_hash
from qsmbench.preparation.settings import ForeignRemoval
from qsmbench.sets.measured import MeasuredScans
from qsmbench.sets.scans import PreparedScans
from qsmbench.sets.simulated import SimulatedScans, SimulatedSet

RAW = "simulated scans in BIDS, with their truth"


def _simulated_spec(of: Run, set: str) -> SimulatedSet:
    spec = of.config.acquisitions[set]
    assert isinstance(spec, SimulatedSet)
    return spec


def _describe_acquisitions(of: Run, set: str) -> None:
    from qsmbench.benchmark.acquisition import write_dataset

    write_dataset(_simulated_spec(of, set), set, of.layout.raw(set))


def _acquire(of: Run, set: str, subject: str) -> None:
    import torch

    from qsmbench.benchmark.acquisition import acquire_subject

    torch.set_num_threads(1)
    acquire_subject(_simulated_spec(of, set), set, subject, of.config.seed, of.layout.raw(set))


def _prepare(of: Run, set: str, subject: str) -> None:
    import torch

    from qsmbench.preparation.dataset import prepare_bids

    torch.set_num_threads(1)

    scans = of.prepared_set(set)
    prepare_bids(scans.raw, of.layout.prepared(set), scans.preparation, [subject], failures_kept=True)


def _keep_measured(of: Run, set: str, subject: str) -> None:
    from qsmbench.data.bids_write import write_description
    from qsmbench.data.measured import keep_measured
    from qsmbench.provenance.version import code_version

    scans = of.sets[set]
    assert isinstance(scans, MeasuredScans)
    files = next(files for files in scans.spec.files(set) if files.name == subject)
    keep_measured(files, scans.folder)
    write_description(scans.folder, f"{set}: measured local fields", code_version(), derivative=True)


def _measured(of: Run) -> Iterator[Job]:
    for name, scans in of.sets.items():
        if isinstance(scans, MeasuredScans):
            for member in scans.members:
                yield Job("keep_measured", (name, member), 1, _mvoxels(of, name))


def _evaluate_fields(of: Run, set: str) -> None:
    from qsmbench.benchmark.fields import evaluate_fields

    found = of.sets[set]
    assert isinstance(found, SimulatedScans)
    evaluate_fields(found, of.layout.field_errors(set))


def _section(of: Run, set: str, **changed: Any) -> dict[str, Any]:
    """What determines the echoes: neither the heading, nor the preparation, nor what is run on them."""
    apart = ("label", "methods", "preparation")
    spec = {k: v for k, v in of.resolved["acquisitions"][set].items() if k not in apart}
    return {"acquisitions": {set: spec | changed}}


def _subject_section(of: Run, set: str, subject: str) -> dict[str, Any]:
    # Not which other subjects there are.
    section = _section(of, set)["acquisitions"][set]
    del section["subjects"]
    return {"seed": of.resolved["seed"], "acquisitions": {set: section}}


def _preparation(of: Run, set: str, subject: str) -> dict[str, Any]:
    spec = of.resolved["acquisitions"][set]
    told: dict[str, Any] = {"acquisitions": {set: {key: spec[key] for key in ("preparation", "folder") if key in spec}}}
    # A user's files: their times say nothing where one was copied back, and a folder's nothing of its files.
    found = of.sets[set]
    assert isinstance(found, PreparedScans)
    told |= removal_origin(of, set)
    data = found.fingerprint(subject)
    return told if data is None else told | {"data": data}


def removal_origin(of: Run, set: str) -> dict[str, Any]:
    """Hash of the folder that removes a set's background, where one of somebody else's does: changed, it is another."""
    removal = of.config.acquisitions[set].removal
    if not isinstance(removal, ForeignRemoval):
        return {}
    return {"origin": {"folder_sha256": folder_hash(Path(removal.folder))}}


def _mvoxels(of: Run, name: str) -> float:
    return prod(of.sets[name].shape) / 1e6


def _subjects(rule: str, *, simulated: bool = False) -> Any:
    def jobs(of: Run) -> Iterator[Job]:
        for name in of.simulated if simulated else of.prepared:
            for subject in of.sets[name].members:
                yield Job(rule, (name, subject), 1, _mvoxels(of, name))

    return jobs


def _fields(of: Run) -> Iterator[Job]:
    for name in of.simulated:
        yield Job("evaluate_fields", (name,), len(of.sets[name].members), _mvoxels(of, name))


STEPS = (
    Step(
        "describe_acquisitions",
        "write what describes a simulated dataset as a whole",
        ("set",),
        _describe_acquisitions,
        _section,
        lambda of: (Job("describe_acquisitions", (name,)) for name in of.simulated),
        SMALL,
        {"acquisitions": RAW},
        local=True,
    ),
    Step(
        "acquire",
        "simulate the acquisition of one subject",
        ("set", "subject"),
        _acquire,
        _subject_section,
        _subjects("acquire", simulated=True),
        Rate(30, 4300, "one scan, simulated on a grid of 140 million voxels (research), which a coarser scan does not "
             "make smaller", "docs/acquisitions.md, benchmarks/README.md, full matrices (A, 2026-11), 118 s and 5.5 "
             "GiB, 90 s and 3.5 GiB; default run's research scan of 0.5 Mvoxel, 4.4 GB",
             seconds_mvoxel=14, megabytes_volume=300),
        {"acquisitions": RAW},
        again="qsmbench.audit.again.scans:simulated_scans",
    ),
    Step(
        "prepare",
        "from the echoes of one subject to the local field",
        ("set", "subject"),
        _prepare,
        _preparation,
        _subjects("prepare"),
        Rate(5, 300, "one scan, all echoes",
             "benchmarks/README.md, 5.2 Mvoxel and four echoes (A, 2026-10), 24.8 s and 1.52 GB",
             seconds_mvoxel=4.8, megabytes_volume=250),
        {"prepared": "local fields of the scans"},
        again="qsmbench.audit.again.scans:prepared_scans",
    ),
    Step(
        "keep_measured",
        "check one measured local field and keep it with what came with it",
        ("set", "subject"),
        _keep_measured,
        lambda of, set, subject: _section(of, set),
        _measured,
        Rate(5, 350, "one scan; the challenge's archive is unpacked file by file", "taken to be as evaluate, not "
             "measured by itself", seconds_mvoxel=1, megabytes_volume=60),
        {"measured": "local fields as a scanner measured them, with their references"},
    ),
    Step(
        "evaluate_fields",
        "compare the prepared fields of a simulated set with the truth",
        ("set",),
        _evaluate_fields,
        lambda of, set: {"acquisitions": {set: {"subjects": of.resolved["acquisitions"][set]["subjects"]}}},
        _fields,
        Rate(5, 350, "one scan", "taken to be as evaluate, not measured by itself",
             seconds_mvoxel=0.5, megabytes_volume=245),
        {"scores": "scores by set and method, a row a scan, metric and region"},
    ),
)  # fmt: skip
