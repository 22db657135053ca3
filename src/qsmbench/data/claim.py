"""A results folder belongs to one run at a time, and to none that has died.

The claim is an advisory lock (flock(2)) on a file in the folder: the system holds it for a process and drops it when
that process ends, however it ends. So no claim is ever left over; the file only names who holds it, or held it last.
Jobs share a second lock, for which who claims the folder waits: what a killed run left behind has ended then.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from qsmbench.core.errors import InputError

CLAIM = ".qsmbench-run.lock"
JOBS = ".qsmbench-jobs.lock"
# File systems without such locks: nothing can be claimed there, and nothing is.
_UNKNOWN = (errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS)

# Locks end with their file's descriptor, which lives as long as the process.
_held: dict[Path, int] = {}


def claim(folder: Path, patience: float = 20.0) -> str | None:
    """Claim a folder for this process until it ends; the folder is made where it is not there.

    Args:
        folder: of the results.
        patience: seconds to wait for jobs of a run that has gone.

    Returns:
        Who held it last and did not give it back, in words; empty where nobody did; None where nothing can be claimed.

    Raises:
        InputError: another process has it, with that process; jobs go on in it; the folder cannot be written to.
    """
    path = folder.absolute() / CLAIM
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise InputError(f"{folder} cannot be written to ({error.strerror}); give another folder as results") from error
    before = _read(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _wait_for_jobs(folder, patience)
        os.ftruncate(descriptor, 0)
        since = datetime.now().astimezone().isoformat(" ", "seconds")
        now = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
        os.pwrite(descriptor, json.dumps(now).encode() + b"\n", 0)
    except InputError:
        os.close(descriptor)
        raise
    except OSError as error:
        os.close(descriptor)
        if error.errno in _UNKNOWN:
            return None
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise InputError(f"{path} cannot be written ({error.strerror}); make room there") from error
        who = f"{_who(before)} runs in it" if before else "another process uses it"
        end = f", or end it (kill {before['pid']})" if before.get("host") == socket.gethostname() else ""
        raise InputError(f"{folder} is taken: {who}; wait for it{end}") from error
    _held[path] = descriptor
    return _who(before) if before else ""


def give_back(folder: Path) -> None:
    """End a claim of this process in order: the next one finds no trace of it."""
    descriptor = _held.pop(folder.absolute() / CLAIM, None)
    if descriptor is not None:
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
        os.close(descriptor)


def join(folder: Path) -> None:
    """Share the folder as a job does, until this process ends; nothing happens where that cannot be."""
    path = folder.absolute() / JOBS
    if path not in _held:
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            _held[path] = descriptor


def _wait_for_jobs(folder: Path, patience: float) -> None:
    """Wait until no job has the folder.

    Raises:
        InputError: after ``patience`` seconds one still has.
    """
    descriptor = os.open(folder / JOBS, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    end = time.monotonic() + patience
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() > end:
                    text = "jobs of an earlier run, which has gone, still write into it; wait for them or cancel them"
                    raise InputError(f"{folder} is taken: {text} (squeue and scancel, ps and kill)") from error
                time.sleep(0.2)
            else:
                return
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> dict[str, Any]:
    try:
        found = json.loads(os.pread(descriptor, 4096, 0))
    except (ValueError, OSError):
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("pid"), int) else {}


def _who(about: dict[str, Any]) -> str:
    return f"process {about['pid']} on {about.get('host')}, started {about.get('since')},"
