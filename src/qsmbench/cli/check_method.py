"""`qsmbench check-method NAME`: does a method keep the contract? A verdict a line."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qsmbench.benchmark.costs import read_rates
from qsmbench.benchmark.first_run import measure
from qsmbench.cli.common import parse_options
from qsmbench.methods.checks import Candidate, example, run_checks
from qsmbench.methods.registry import METHODS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("method", metavar="NAME", help="a method's name; of an installed package, too")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="fewer iterations, say")
    parser.add_argument("--weights", type=Path, help="weights of a network")


def run(arguments: argparse.Namespace) -> int:
    """Run the checks; 0 where all passed, 1 otherwise."""
    weights = arguments.weights or METHODS.find(arguments.method).shipped_weights
    case = Candidate(arguments.method, parse_options(arguments.option), weights, example())
    failed = 0
    for verdict in run_checks(case):
        word = {True: "ok    ", False: "FAILED", None: "-     "}[verdict.passed]
        print(f"{word} {verdict.check}" + f"  ({verdict.message})" * bool(verdict.message), flush=True)
        failed += verdict.passed is False
    if not failed and not METHODS.find(arguments.method).needs_weights:
        _tell_costs(arguments.method, case.options)
    print(f"{arguments.method}: " + (f"{failed} checks failed" if failed else "keeps the contract"))
    return 1 if failed else 0


def _tell_costs(name: str, options: Mapping[str, Any]) -> None:
    """Say what a method costs that is not among the measured ones; plans and requests of clusters then go by it."""
    if name in read_rates().methods:
        return
    found = measure(name, options)
    print(
        f"{name}: about {found.seconds_mvoxel:.2g} s a million voxels, estimated from a first small run "
        f"({found.voxels} voxels in {found.seconds:.2g} s); plans and requests go by it"
    )
