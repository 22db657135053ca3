"""A job ends when the process that started the run has gone: no orphan goes on writing into a folder that others take.

Who starts jobs names itself in a variable; each job watches that process and none other. A shell stands between the
two, so that the kernel's own signal on a parent's death (prctl(2), PR_SET_PDEATHSIG) would tell of the shell alone. A
process is told apart by machine, namespace, number and start time. Where machine or namespace is another (a job that a
queue started) there is nothing to watch: the queue ends such jobs.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

VARIABLE = "QSMBENCH_PARENT"
_EVERY = 0.5


def identity(pid: int) -> str:
    """A process as the variable names it: where it runs, its number, and when it started."""
    return f"{_place()} {pid} {_started(pid)}"


def end_with_parent(grace: float = 5.0) -> bool:
    """End this process when the one that the variable names has gone: by SIGTERM, then by SIGKILL.

    Args:
        grace: seconds between the two, for a checkpoint.

    Returns:
        Whether there is a process to watch.
    """
    named = os.environ.get(VARIABLE, "").rsplit(" ", 2)
    if len(named) != 3 or named[0] != _place() or not named[1].isdigit() or not named[2]:
        return False
    pid, started = int(named[1]), named[2]
    threading.Thread(target=_watch, args=(pid, started, grace), name="parent", daemon=True).start()
    return True


def _watch(pid: int, started: str, grace: float) -> None:
    while _started(pid) == started:
        time.sleep(_EVERY)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace)
    os.kill(os.getpid(), signal.SIGKILL)


def _place() -> str:
    """Machine since it started, namespace of processes, and the job of a queue."""
    queue = os.environ.get("SLURM_JOB_ID", "")
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()} {queue}"
    except OSError:
        return f"no-proc {queue}"


def _started(pid: int) -> str:
    """Field 22 of proc(5)'s stat; empty where there is no such process, or one that has ended and is not yet reaped."""
    try:
        # The name, in brackets, may hold blanks and brackets itself.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
