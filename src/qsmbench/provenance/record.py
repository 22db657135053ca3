"""What a job of the workflow did, written by the job itself when it ends well: `provenance/jobs/<command>-<id>.json`.

The workflow sets `QSMBENCH_RECORDS` to that folder; a command called by hand writes nothing. Inputs and outputs are
not what a rule declares but the files that the job opened: Python's audit events (PEP 578) tell each of them, whatever
library opens it. Times, hosts and hardware stand here and nowhere else, so that results do not change with them.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qsmbench.core.damage import is_plain, reading
from qsmbench.core.errors import InputError
from qsmbench.data.atomic import write_json_atomic
from qsmbench.data.download import sha256_of
from qsmbench.provenance.environment import environment, threads
from qsmbench.provenance.manifest import excluded
from qsmbench.provenance.version import PACKAGE, code

VARIABLE = "QSMBENCH_RECORDS"
# What describes or checks a run is no part of it.
UNRECORDED = ("crate", "audit", "diff")
FORMAT = "qsmbench-job-1"
# Below the results.
JOBS = "provenance/jobs"
ENVIRONMENTS = "provenance/environments"

_SYSTEM = ("/proc", "/sys", "/dev", "/etc", "/usr", "/lib", "/lib64", "/run", "/opt/conda")
_CHANGES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


@dataclass
class _Opened:
    """Files that the process opened so far, as it named them; no job changes its working folder."""

    read: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)

    def note(self, event: str, arguments: Any) -> None:
        if event == "open":
            path, mode, flags = arguments
            if isinstance(path, int) or path is None:
                return
            changes = any(c in mode for c in "wax+") if isinstance(mode, str) else bool((flags or 0) & _CHANGES)
            (self.written if changes else self.read).add(os.fsdecode(path))
        elif event == "os.rename":
            self.written.add(os.fsdecode(arguments[1]))


_active: list[_Opened] = []


def _hook(event: str, arguments: Any) -> None:
    if event in ("open", "os.rename") and _active:
        _active[-1].note(event, arguments)


@contextmanager
def followed() -> Iterator[_Opened]:
    """Yield what notes every file that the process opens within the block."""
    if not getattr(_hook, "installed", False):
        # A hook cannot be taken away again.
        sys.addaudithook(_hook)
        _hook.installed = True  # type: ignore[attr-defined]
    opened = _Opened()
    _active.append(opened)
    try:
        yield opened
    finally:
        _active.remove(opened)


def also_read(paths: Iterable[str]) -> None:
    """Add files that other processes read for the job that is being recorded."""
    if _active:
        _active[-1].read.update(paths)


@contextmanager
def recorded(command: str, arguments: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Record what the block reads and writes, where the workflow asks for it.

    Args:
        command: name of the subcommand.
        arguments: of the command line.

    Yields:
        A dictionary that goes into the record; the block may add to it (what the job was told, say), or name the
        command more closely.
    """
    facts: dict[str, Any] = {}
    target = os.environ.get(VARIABLE)
    # Of several processes of one job the first writes.
    first = all(os.environ.get(name, "0") == "0" for name in ("RANK", "SLURM_PROCID"))
    if not target or not first or command in UNRECORDED:
        yield facts
        return
    started, clock = datetime.now(UTC), time.perf_counter()
    with followed() as opened:
        yield facts
    folder = Path(target).resolve()
    results = folder.parents[1]
    record = {
        "format": FORMAT,
        "command": command,
        "arguments": list(arguments),
        **facts,
        "code": asdict(code()),
        "environment": _write_environment(results),
        "host": socket.gethostname(),
        "threads": threads(),
        "started": started.isoformat(timespec="milliseconds"),
        "seconds": round(time.perf_counter() - clock, 3),
        "cpu_seconds": round(_cpu_seconds(), 3),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        **_files(opened, results),
    }
    record["ended"] = datetime.now(UTC).isoformat(timespec="milliseconds")
    write_json_atomic(folder / f"{job_name(record['command'], arguments)}.json", record)


def job_name(command: str, arguments: Sequence[str]) -> str:
    """A name that the same job has again: a record is replaced when its job is repeated."""
    return f"{command}-{hashlib.sha256(json.dumps(list(arguments)).encode()).hexdigest()[:16]}"


def _cpu_seconds() -> float:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _write_environment(results: Path) -> str:
    found = environment()
    name = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]
    path = results / ENVIRONMENTS / f"{name}.json"
    if not path.is_file():
        write_json_atomic(path, found)
    return name


def _files(opened: _Opened, results: Path) -> dict[str, Any]:
    """Hashes of what was read and written: below the results by path, elsewhere by name and hash alone."""
    prefix = f"{results}{os.sep}"
    outputs: dict[str, str] = {}
    inputs: dict[str, str] = {}
    external: dict[str, dict[str, Any]] = {}
    for path in sorted({os.path.realpath(p) for p in opened.written}):
        if path.startswith(prefix) and _is_result(path[len(prefix) :]) and Path(path).is_file():
            outputs[Path(path[len(prefix) :]).as_posix()] = sha256_of(path)
    software = _software()
    for path in sorted({os.path.realpath(p) for p in opened.read}):
        if not Path(path).is_file():
            continue
        if path.startswith(prefix):
            inside = Path(path[len(prefix) :]).as_posix()
            if inside not in outputs and _is_result(inside):
                inputs[inside] = sha256_of(path)
        elif not path.startswith(software) and "/.snakemake/" not in path and ".egg-info/" not in path:
            digest = sha256_of(path)
            external[digest] = {"name": Path(path).name, "sha256": digest, "bytes": Path(path).stat().st_size}
    return {"inputs": inputs, "outputs": outputs, "external": list(external.values())}


def _is_result(path: str) -> bool:
    return excluded(path) is None and not path.startswith("provenance/")


def _software() -> tuple[str, ...]:
    """Folders whose files are the system's or Python's, and no data."""
    home = [str(Path.home() / name) for name in (".cache", ".config", ".local")]
    given = [os.environ[name] for name in ("MPLCONFIGDIR", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME") if os.environ.get(name)]
    own = [sys.prefix, sys.base_prefix, str(PACKAGE)]
    return tuple(f"{os.path.realpath(path)}{os.sep}" for path in (*_SYSTEM, *home, *given, *own))


@dataclass(frozen=True)
class JobRecord:
    """A record as read.

    Attributes:
        path: of the record, below the results.
        content: of the record.
    """

    path: str
    content: dict[str, Any]

    @property
    def command(self) -> str:
        """Name of the subcommand."""
        return str(self.content["command"])

    @property
    def inputs(self) -> dict[str, str]:
        """Path to SHA-256."""
        return dict(self.content["inputs"])

    @property
    def outputs(self) -> dict[str, str]:
        """Path to SHA-256."""
        return dict(self.content["outputs"])

    @property
    def ended(self) -> str:
        """ISO 8601, UTC: sorts by time."""
        return str(self.content["ended"])

    @property
    def text(self) -> str:
        """The command as people would name it: what it does, and the file it made first."""
        return f"qsmbench step {self.command}" + (f" -> {min(self.outputs)}" if self.outputs else "")


def read_jobs(results: Path) -> tuple[list[JobRecord], list[str]]:
    """Return the records in the order in which the jobs ended, and the paths of files that are none."""
    jobs, broken = [], []
    for path in sorted((results / JOBS).glob("*.json")):
        name = path.relative_to(results).as_posix()
        content = None
        with suppress(InputError), reading(path):
            if path.stat().st_size < _MOST_BYTES:
                content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict) and _is_record(content):
            jobs.append(JobRecord(name, content))
        else:
            broken.append(name)
    return sorted(jobs, key=lambda job: (job.ended, job.path)), broken


# A job that reads every file of the paper's scale writes a megabyte.
_MOST_BYTES = 64 << 20
_SHAPE = {"command": str, "arguments": list, "inputs": dict, "outputs": dict, "external": list, "ended": str,
          "started": str, "code": dict, "environment": str, "threads": dict}  # fmt: skip


def _is_record(content: Mapping[str, Any]) -> bool:
    """Whether all that is used of a record is there and of its type; `code` and `external` to the values inside."""
    if content.get("format") != FORMAT or not all(isinstance(content.get(k), kind) for k, kind in _SHAPE.items()):
        return False
    texts = [*content["arguments"], *(v for key in ("inputs", "outputs") for v in content[key].values())]
    texts += [content["code"].get(key) for key in ("release", "source_sha256")]
    texts += [about.get(key) for about in content["external"] if isinstance(about, dict) for key in ("name", "sha256")]
    wildcards = content.get("wildcards", {})
    return (
        all(isinstance(text, str) for text in texts)
        and all(isinstance(about, dict) and isinstance(about.get("bytes"), int) for about in content["external"])
        and {"commit", "dirty"} <= set(content["code"])
        and isinstance(wildcards, dict)
        and is_plain(content["environment"])
        and "/" not in content["environment"]
    )


def makers(jobs: Sequence[JobRecord]) -> dict[str, JobRecord]:
    """Each file's last maker."""
    return {path: job for job in jobs for path in job.outputs}


def remove_stale(results: Path) -> list[str]:
    """Delete the records of jobs whose every output has gone or was made again by another job; return their paths."""
    jobs, _ = read_jobs(results)
    last = makers(jobs)
    stale = [
        job.path
        for job in jobs
        if job.outputs and not any(last[path] is job and (results / path).is_file() for path in job.outputs)
    ]
    for path in stale:
        (results / path).unlink()
    kept = {str(job.content["environment"]) for job in jobs if job.path not in stale}
    for left in sorted((results / ENVIRONMENTS).glob("*.json")):
        if left.stem not in kept:
            left.unlink()
    return stale
