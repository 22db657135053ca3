"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from qsmbench.benchmark.compute import set_up
from qsmbench.core.errors import InputError


def add_compute_arguments(parser: argparse.ArgumentParser, threads: int | None = None) -> None:
    """Add --device and --threads."""
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")
    parser.add_argument(
        "--threads",
        type=int,
        default=threads,
        help="CPU threads; results on a CPU are the same bits for the same number (default: %(default)s)",
    )


def add_dask(parser: argparse.ArgumentParser) -> None:
    """Declare where the work may be spread to."""
    parser.add_argument(
        "--dask",
        metavar="ADDRESS",
        default=os.environ.get("QSMBENCH_DASK") or None,
        help="scheduler of a dask cluster, tcp://HOST:PORT, whose workers do the work (default: $QSMBENCH_DASK, else "
        "this process alone); see docs/cluster.md",
    )


def set_up_compute(arguments: argparse.Namespace) -> str:
    """Fix threads and determinism; return the device's name for torch.

    Raises:
        InputError: CUDA asked for and not there, or no positive number of threads.
    """
    return set_up(arguments.threads, arguments.device)


def parse_options(pairs: Sequence[str], argument: str = "--option") -> dict[str, str]:
    """Read NAME=VALUE pairs.

    Raises:
        InputError: a pair without '=' or a name given twice.
    """
    options: dict[str, str] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise InputError(f"{argument} takes NAME=VALUE, got '{pair}'")
        if name in options:
            raise InputError(f"{argument} {name} is given twice")
        options[name] = value
    return options


@contextmanager
def shown_log(of: str, command: str) -> Iterator[None]:
    """Show the log lines of one part of the package, and no library's, on standard error."""
    logger = logging.getLogger(of)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(f"qsmbench {command}: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
