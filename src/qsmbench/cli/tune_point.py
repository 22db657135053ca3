"""`qsmbench tune-point`: one choice of a method's parameters on a tuning set."""

import argparse
from pathlib import Path

from qsmbench.benchmark.tuning import tune_point
from qsmbench.cli.common import add_method_arguments, parse_json, set_up_compute


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--store", type=Path, required=True, help="Zarr folder of the tuning set")
    parser.add_argument("--metric", required=True, help="name of the score")
    parser.add_argument("--out", type=Path, required=True, help="JSON to write")
    add_method_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Reconstruct and score."""
    device = set_up_compute(arguments)
    tune_point(
        store=arguments.store,
        method=arguments.method,
        options=parse_json(arguments.options, "--options"),
        weights=arguments.weights,
        metric=arguments.metric,
        device=device,
        out=arguments.out,
    )
