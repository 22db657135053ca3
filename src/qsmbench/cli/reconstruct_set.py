"""`qsmbench reconstruct-set`: step 3 of the workflow."""

import argparse
from pathlib import Path

from qsmbench.benchmark.reconstruction import reconstruct_set
from qsmbench.cli.common import add_run_arguments, method_options, set_up_compute


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--store", type=Path, required=True, help="Zarr folder of the set")
    parser.add_argument("--out", type=Path, required=True, help="Zarr folder to write")
    add_run_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Reconstruct every sample."""
    device = set_up_compute(arguments)
    reconstruct_set(
        store=arguments.store,
        method=arguments.method,
        options=method_options(arguments),
        weights=arguments.weights,
        out=arguments.out,
        status=arguments.status,
        timings=arguments.timings,
        device=device,
    )
