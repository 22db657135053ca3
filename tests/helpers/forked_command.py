"""Commands in processes of their own that can be killed."""

import contextlib
import multiprocessing
import resource
import sys
from pathlib import Path

from qsmbench.cli.main import main

# Processes forked from a server that has loaded the command: real ones, without seconds of imports each.
FORKS = multiprocessing.get_context("forkserver")


def run_command(arguments: list[str], log: Path, most_bytes: int | None = None) -> None:
    with log.open("w") as file, contextlib.redirect_stderr(file):
        if most_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
        sys.exit(main(arguments))


def start(arguments: list[str], log: Path, most_bytes: int | None = None) -> multiprocessing.Process:
    FORKS.set_forkserver_preload(["qsmbench.cli.step", "qsmbench.benchmark.synthesis"])
    process = FORKS.Process(target=run_command, args=(arguments, log, most_bytes))
    process.start()
    return process
