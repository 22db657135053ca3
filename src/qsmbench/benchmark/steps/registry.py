"""Every step by its rule's name. To add one: an entry in a file of this folder, and its rule in rules/."""

from __future__ import annotations

from collections.abc import Iterator

from qsmbench.benchmark.run import Run
from qsmbench.benchmark.steps import derived, networks, results, scans, synthetic
from qsmbench.benchmark.steps.contract import Job, Step

_PARTS = (synthetic, networks, scans, derived, results)
STEPS: dict[str, Step] = {step.rule: step for part in _PARTS for step in part.STEPS}
COMMANDS: dict[str, Step] = {step.command: step for step in STEPS.values() if step.run is not None}
# What no step makes.
_OTHERS = {
    "benchmarks": "Snakemake's record of each job's time and memory",
    "provenance": "what made all this",
}


def jobs(of: Run) -> Iterator[Job]:
    """Every job of a run from nothing, in no particular order."""
    for step in STEPS.values():
        yield from step.jobs(of)


def folder_texts() -> dict[str, str]:
    """What the folders of the results hold, for people."""
    made = {name: text for step in STEPS.values() for name, text in step.makes.items()}
    return made | _OTHERS
