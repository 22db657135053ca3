"""Snakemake's output as one line that says how far and for how long still; all of it goes into a log file.

What is left is estimated from the share of jobs that have ended, each counted alike.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from qsmbench.core import parent

LOG = Path(".snakemake/qsmbench-run.log")

_STARTED = re.compile(r"^(?:local)?(?:rule|checkpoint) (\w+):")
_FINISHED = re.compile(r"^Finished jobid: \d+ \(Rule: (\w+)\)")
_DONE = re.compile(r"^(\d+) of (\d+) steps \(\d+%\) done")
# Our own lines (plan, refusals), and what is told of at the end: failed jobs, what Snakemake ends with.
_SHOWN = re.compile(r"^(qsmbench: (?!failed: )|Nothing to be done)")
_HELD = re.compile(r"^(qsmbench: failed: |Error|\w*Exception)")
# ENOSPC, EDQUOT, EFBIG (a limit on the length of files) and EROFS, whoever met them.
_DISK = re.compile("No space left on device|Disk quota exceeded|File too large|Read-only file system")
# Snakemake's own notes of a job that ended well; it takes any error for one of permissions.
_METADATA = re.compile(r"^Error recording metadata.*\[Errno \d+\] (.*)\)\. Please ensure .* the directory (.*)$")


@dataclass
class Ending:
    """What is to be said of a run that failed.

    Attributes:
        last: lines that it ended with.
        held: lines of errors that have not been shown.
        disk: the line that tells of a disk which takes no more, or nothing.
    """

    last: deque[str] = field(default_factory=lambda: deque(maxlen=10))
    held: list[str] = field(default_factory=list)
    disk: str = ""

    def text(self) -> str:
        """One line where a disk is at fault or a refusal has been shown, else the last lines."""
        if self.disk:
            said = _METADATA.sub(r"\2: \1", self.disk.removeprefix("qsmbench: "))
            return f"qsmbench run: {said}; make room there, or take another folder, and start again"
        if self.last and _SHOWN.match(self.last[-1]):
            return ""
        return "\n".join([*self.held, "qsmbench run: Snakemake ended with an error; its last lines:", *self.last])


@dataclass
class Progress:
    """What Snakemake's lines have told so far.

    Attributes:
        done: jobs that ended.
        total: jobs of the run.
        running: rules of jobs that were started and have not ended, oldest first.

    >>> p = Progress()
    >>> for line in ("rule train:", "rule report:", "Finished jobid: 2 (Rule: train)", "1 of 4 steps (25%) done"):
    ...     p.read(line)
    >>> (p.done, p.total, p.running)
    (1, 4, ['report'])
    >>> p.text(elapsed=60)
    '1 of 4 jobs, 1 min, about 3 min left: report'
    """

    done: int = 0
    total: int = 0
    running: list[str] = field(default_factory=list)

    def read(self, line: str) -> None:
        """Take one line of Snakemake's output."""
        if found := _STARTED.match(line):
            self.running.append(found[1])
        elif found := _FINISHED.match(line):
            if found[1] in self.running:
                self.running.remove(found[1])
        elif found := _DONE.match(line):
            self.done, self.total = int(found[1]), int(found[2])

    def text(self, elapsed: float) -> str:
        """Return the line for people after ``elapsed`` seconds."""
        what = ", ".join(dict.fromkeys(self.running))
        if not self.total:
            return f"{_minutes(elapsed)}: {what or 'planning'}"
        if self.done == self.total:
            return f"{self.total} jobs, {_minutes(elapsed)}: done"
        left = f", about {_minutes(elapsed * (self.total - self.done) / self.done)} left" if self.done else ""
        return f"{self.done} of {self.total} jobs, {_minutes(elapsed)}{left}: {what}"


def run_with_progress(command: Sequence[str]) -> int:
    """Run Snakemake; show a line that changes on a terminal, a line a minute elsewhere; return its exit status."""
    LOG.parent.mkdir(parents=True, exist_ok=True)
    print(f"qsmbench run: everything that Snakemake says is in {LOG}", file=sys.stderr)
    with (
        LOG.open("w", encoding="utf-8") as log,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, parent.VARIABLE: parent.identity(os.getpid())},
        ) as process,
    ):
        assert process.stdout is not None
        ending = show(_copied(process.stdout, log))
        try:
            status = process.wait()
        except KeyboardInterrupt:
            status = process.wait()
    if status != 0 and (text := ending.text()):
        print(text, file=sys.stderr)
    return status


def show(lines: Iterable[str]) -> Ending:
    """Show progress while ``lines`` come; return what to say if they end in an error."""
    progress, ending, start, shown, told = Progress(), Ending(), time.monotonic(), 0.0, False
    terminal = sys.stderr.isatty()
    for line in lines:
        progress.read(line)
        if line.strip():
            ending.last.append(line)
        if _DISK.search(line):
            ending.disk = line.strip()
        now = time.monotonic()
        if _HELD.match(line):
            ending.held.append(line)
        if _SHOWN.match(line) and not _DISK.search(line):
            print(("\r\x1b[K" if terminal else "") + line, file=sys.stderr)
        if terminal:
            print(f"\r\x1b[K{progress.text(now - start)}"[:160], end="", file=sys.stderr, flush=True)
        elif not told and (now - shown >= 60 or (progress.total and progress.done == progress.total)):
            print(progress.text(now - start), file=sys.stderr, flush=True)
            shown, told = now, bool(progress.total) and progress.done == progress.total
    if terminal:
        print(file=sys.stderr)
    return ending


def _copied(lines: Iterable[str], log: TextIO) -> Iterable[str]:
    for line in lines:
        # A full disk keeps no log; what is to be said of it comes through here all the same.
        with suppress(OSError):
            log.write(line)
            log.flush()
        yield line.rstrip("\n")


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.0f} min"
