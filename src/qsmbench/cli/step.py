"""`qsmbench step NAME CONFIG`: one job of the workflow, as a rule calls it.

CONFIG is the run's resolved configuration (results/provenance/config.json), from which a step takes what the table of
steps says that it is told, and where everything lies; its other arguments say which of its jobs it is.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from qsmbench.benchmark.dask_cluster import spread_over
from qsmbench.benchmark.run import Run
from qsmbench.benchmark.steps.registry import COMMANDS
from qsmbench.cli.common import add_dask, shown_log
from qsmbench.config.load import read_config
from qsmbench.data.claim import join


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the steps, each with what tells its jobs apart."""
    names = parser.add_subparsers(dest="step", metavar="STEP", required=True)
    for name, step in COMMANDS.items():
        own = names.add_parser(name, help=step.text, description=step.text[0].upper() + step.text[1:] + ".")
        own.add_argument("config", type=Path, metavar="CONFIG", help="the run's resolved configuration")
        for wildcard in step.wildcards:
            own.add_argument(f"--{wildcard}", required=True, metavar=wildcard.upper())
        if step.spreads:
            add_dask(own)


def facts(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the job's record says besides files: its step, which of its jobs it is, and what it was told."""
    of, step = Run(read_config(arguments.config)), COMMANDS[arguments.step]
    arguments.of = of
    join(of.layout.root)
    wildcards = {name: getattr(arguments, name) for name in step.wildcards}
    return {"command": arguments.step, "wildcards": wildcards, "told": step.told(of, **wildcards)}


def run(arguments: argparse.Namespace) -> None:
    """Do the job."""
    step = COMMANDS[arguments.step]
    assert step.run is not None
    try:
        with shown_log("qsmbench", arguments.step):
            wildcards = {name: getattr(arguments, name) for name in step.wildcards}
            if step.spreads and arguments.dask is not None:
                with spread_over(arguments.dask) as spread:
                    step.run(arguments.of, **wildcards, spread=spread)
            else:
                step.run(arguments.of, **wildcards)
    except InterruptedError as error:
        # Ended from outside, and able to go on: neither done nor failed.
        print(f"qsmbench step {arguments.step}: {error}; the same command goes on from there", file=sys.stderr)
        sys.exit(143)
