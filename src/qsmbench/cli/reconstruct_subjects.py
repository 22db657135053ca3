"""`qsmbench reconstruct-subjects`: run one method over the scans of a prepared set."""

import argparse
from pathlib import Path

from qsmbench.benchmark.subjects import reconstruct_subjects
from qsmbench.cli.common import add_run_arguments, method_options, set_up_compute


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--prepared", type=Path, required=True, help="BIDS derivative of 'qsmbench prepare'")
    parser.add_argument("--subjects", nargs="+", required=True, help="labels without sub-")
    parser.add_argument("--out", type=Path, required=True, help="BIDS derivative to write")
    add_run_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Reconstruct every scan."""
    device = set_up_compute(arguments)
    reconstruct_subjects(
        prepared=arguments.prepared,
        subjects=arguments.subjects,
        method=arguments.method,
        options=method_options(arguments),
        weights=arguments.weights,
        out=arguments.out,
        status=arguments.status,
        timings=arguments.timings,
        device=device,
    )
