"""The step of sets that are made of other sets' scans."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

from qsmbench.benchmark.run import Run
from qsmbench.benchmark.steps.contract import Job, Rate, Step
from qsmbench.benchmark.steps.scans import removal_origin
from qsmbench.sets.derived import DerivedScans


def _derive_fields(of: Run, set: str, subject: str) -> None:
    import torch

    from qsmbench.benchmark.derive import derive_subject

    torch.set_num_threads(1)
    scans = of.sets[set]
    assert isinstance(scans, DerivedScans)
    derive_subject(scans, subject, of.config.seed, scans.folder)


def _told(of: Run, set: str, subject: str) -> dict[str, Any]:
    apart = ("label", "methods")
    spec = {key: value for key, value in of.resolved["acquisitions"][set].items() if key not in apart}
    return {"seed": of.resolved["seed"], "acquisitions": {set: spec}} | removal_origin(of, set)


def _jobs(of: Run) -> Iterator[Job]:
    for name, scans in of.sets.items():
        if isinstance(scans, DerivedScans):
            for member in scans.members:
                yield Job("derive_fields", (name, member), 1, prod(scans.shape) / 1e6)


STEPS = (
    Step(
        "derive_fields",
        "make the local field of one subject from another set's: the true one, or by another background removal",
        ("set", "subject"),
        _derive_fields,
        _told,
        _jobs,
        Rate(5, 450, "one scan and what its background removal holds", "taken to be as prepare, not measured by itself",
             seconds_mvoxel=3, megabytes_volume=250),
        {"derived": "local fields made of other sets' scans: true ones, or by another background removal"},
        again="qsmbench.audit.again.derived:derived_scans",
    ),
)  # fmt: skip
