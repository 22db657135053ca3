"""The records of the jobs against the files: each job hashed what it wrote, and each later job what it read.

Who edits a file and its line in the manifest still has its maker's record and that of every reader against them.
"""

from __future__ import annotations

import json
from typing import Any

from qsmbench.audit.check import Check
from qsmbench.audit.run_folder import RunFolder, told_methods
from qsmbench.benchmark.steps.registry import COMMANDS
from qsmbench.core.damage import reading
from qsmbench.core.errors import InputError
from qsmbench.provenance.crate_graph import CONFIG, README
from qsmbench.provenance.record import ENVIRONMENTS, JobRecord, makers

# Jobs that remove a background.
_FIELDS = ("prepare", "derive-fields")
# What no job of this package writes: Snakemake's times, and what describes the run.
_UNMADE = ("benchmarks/", "provenance/", README)


def check_chain(run: RunFolder, check: Check) -> None:
    """Compare every record with the files that are there now."""
    for path in run.broken_records:
        check.find("changed", path, "is no record of a job")
    if not run.jobs:
        check.skipped.append("There are no records of jobs: the folder was made without them, or lost them.")
        return
    last = makers(run.jobs)
    n = 0
    for path, job in sorted(last.items()):
        n += 1
        if path not in run.hashes:
            check.find("missing", path, f"{job.text} wrote it ({job.path}), and it is not there")
        elif run.hashes[path] != job.outputs[path]:
            check.find("changed", path, f"is not what {job.text} wrote ({job.path})")
    for job in run.jobs:
        for path, digest in job.inputs.items():
            n += 1
            if run.hashes.get(path) == digest:
                continue
            if path not in run.hashes:
                check.find("missing", path, f"{job.text} read it ({job.path}), and it is not there")
            elif _grown(path, job, last):
                check.notes.append(f"{path} was written again after {job.text}: the set grew.")
            else:
                check.find("changed", path, f"is not what {job.text} read ({job.path})")
        if not run.has(f"{ENVIRONMENTS}/{job.content['environment']}.json"):
            check.find("missing", f"{ENVIRONMENTS}/{job.content['environment']}.json", f"{job.path} names it")
    for path in run.hashes:
        if path not in last and not path.startswith(_UNMADE):
            check.find("added", path, "no job's record says that it wrote it")
    _check_told(run, check)
    check.n = f"{n} hashes in the records of {len(run.jobs)} jobs"


def _grown(path: str, reader: JobRecord, last: dict[str, JobRecord]) -> bool:
    """Whether a store's metadata was written again since, as when a set gets more samples; its shards stay."""
    maker = last.get(path)
    return path.endswith("zarr.json") and maker is not None and maker.ended > reader.ended


def _check_told(run: RunFolder, check: Check) -> None:
    """Compare what the jobs were told with what the table of steps takes from the configuration that is there."""
    try:
        of = run.of
    except InputError as error:
        check.find("changed", CONFIG, str(error))
        return
    for job in run.jobs:
        step, told = COMMANDS.get(job.command), job.content.get("told")
        if step is None or told is None:
            check.notes.append(
                f"{job.path} is of the step '{job.command}', which this version of the code does not know."
            )
            continue
        try:
            with reading(job.path):
                wildcards = job.content["wildcards"]
                made_by_others = job.command in _FIELDS and wildcards.get("set") in run.foreign_sets
                if wildcards.get("run") in run.foreign or made_by_others:
                    check.notes.append(f"{job.path} is of a program of somebody else's, which an audit does not open.")
                    continue
                expected = json.loads(json.dumps(step.told(of, **wildcards)))
        except InputError as error:
            check.notes.append(f"{job.path}: the configuration has nothing for it ({error}).")
            continue
        if "data" in told and "data" not in expected:
            check.notes.append(f"{job.path}: the data set that it read is not here; its files were not compared.")
            told = {key: value for key, value in told.items() if key != "data"}
        if run.absent.keys() & (methods := told_methods(told)).keys():
            told = {**told, "methods": {name: _here(entry, name in run.absent) for name, entry in methods.items()}}
        if _stated(told) != _stated(expected):
            where = f"{_first_difference(_stated(expected), _stated(told))}, as {job.text} was told"
            check.find("contradiction", CONFIG, where)


def _here(entry: Any, absent: bool) -> Any:
    """What was told of a method, without the package that it comes from where that is not installed here."""
    return {k: v for k, v in entry.items() if k != "origin"} if absent and isinstance(entry, dict) else entry


def _stated(value: Any) -> Any:
    """Without the options that are off: a version of the code that does not have them says nothing of them."""
    return {k: _stated(v) for k, v in value.items() if v is not None} if isinstance(value, dict) else value


def _first_difference(here: Any, there: Any, path: str = "") -> str:
    """Where two JSON values first differ, and how.

    >>> _first_difference({"a": {"b": 1}}, {"a": {"b": 2}})
    'a.b is 1 and was 2'
    """
    if isinstance(here, dict) and isinstance(there, dict):
        for key in dict.fromkeys([*here, *there]):
            if here.get(key) != there.get(key):
                return _first_difference(here.get(key), there.get(key), f"{path}.{key}" if path else str(key))
    return f"{path or 'it'} is {json.dumps(here)} and was {json.dumps(there)}"
