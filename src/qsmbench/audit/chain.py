"""The records of the jobs against the files: each job hashed what it wrote, and each later job what it read.

Who edits a file and its line in the manifest still has its maker's record and that of every reader against them.
"""

from __future__ import annotations

import json
from typing import Any

from qsmbench.audit.check import Check
from qsmbench.audit.run_folder import RunFolder
from qsmbench.core.errors import InputError
from qsmbench.provenance.crate import CONFIG, README
from qsmbench.provenance.record import ENVIRONMENTS, Job, makers

# What no job of this package writes: Snakemake's times, and what describes the run.
_UNMADE = ("benchmarks/", "provenance/", README)


def check_chain(run: RunFolder) -> Check:
    """Compare every record with the files that are there now."""
    check = Check("chain", "Did each job write and read these very files?")
    for path in run.broken_records:
        check.find("changed", path, "is no record of a job")
    if not run.jobs:
        check.skipped.append("There are no records of jobs: the folder was made without them, or lost them.")
        return check
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
    _check_arguments(run, check)
    check.notes = list(dict.fromkeys(check.notes))
    check.n = f"{n} hashes in the records of {len(run.jobs)} jobs"
    return check


def _grown(path: str, reader: Job, last: dict[str, Job]) -> bool:
    """Whether a store's metadata was written again since, as when a set gets more samples; its shards stay."""
    maker = last.get(path)
    return path.endswith("zarr.json") and maker is not None and maker.ended > reader.ended


def _check_arguments(run: RunFolder, check: Check) -> None:
    """Compare what the jobs were told with the configuration."""
    try:
        config = run.resolved
    except InputError as error:
        check.find("changed", CONFIG, str(error))
        return
    for job in run.jobs:
        seed = job.option("--seed")
        if seed is not None and seed != str(config.get("seed")):
            check.find("contradiction", CONFIG, f"seed is {config.get('seed')} and was {seed}, as {job.text} was told")
        whole = _argument(job, "--config")
        if whole is not None and whole != config:
            check.find("contradiction", CONFIG, f"{_first_difference(config, whole)}, as {job.text} was told")
        for expected, where in _sections(job, config):
            told = _argument(job, "--spec")
            if told is not None and _comparable(told) != _comparable(expected):
                text = f"{where}: {_first_difference(expected, told)}, as {job.text} was told"
                check.find("contradiction", CONFIG, text)


def _argument(job: Job, name: str) -> Any:
    text = job.option(name)
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return None


def _sections(job: Job, config: dict[str, Any]) -> list[tuple[Any, str]]:
    """The part of the configuration that a job's ``--spec`` repeats, and its name."""
    if job.command == "source":
        return [(config.get("source"), "source")]
    if job.command in ("create-set", "make-shard", "make-labels"):
        name = str(job.option("--name"))
        return [(config.get("synthetic", {}).get(name), f"synthetic.{name}")]
    if job.command == "train":
        weights = str(job.option("--weights"))
        name = weights.rsplit("/", 1)[-1].removesuffix(".pt")
        return [(config.get("networks", {}).get(name), f"networks.{name}")]
    return []


def _comparable(section: Any) -> Any:
    # A shard knows the samples that it holds and not how many follow; labels of tables are no part of a result.
    if not isinstance(section, dict):
        return section
    return _stated({key: value for key, value in section.items() if key not in ("n_samples", "label")})


def _stated(value: Any) -> Any:
    """Without the keys that say nothing: a job need not be told of an option that is off."""
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
