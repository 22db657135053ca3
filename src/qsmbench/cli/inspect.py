"""`qsmbench inspect`: a contact sheet and the drawn parameters of a synthetic set."""

import argparse
from pathlib import Path

from qsmbench.cli.common import add_dask
from qsmbench.core.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("store", type=Path, help="Zarr folder of a synthetic set, its .hashes folder beside it")
    parser.add_argument("--out-dir", type=Path, help="folder to write; by default <store without .zarr>.inspect")
    parser.add_argument("--samples", type=int, default=8, help="rows of the contact sheet (default: %(default)s)")
    add_dask(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write the pictures and tables; say what is missing."""
    from qsmbench.benchmark.dask_cluster import spread_over
    from qsmbench.report.inspection import inspect_set

    if arguments.samples < 1:
        raise InputError(f"--samples must be at least 1, got {arguments.samples}")
    store: Path = arguments.store
    folder: Path = arguments.out_dir or store.with_suffix(".inspect")
    with spread_over(arguments.dask) as spread:
        print(f"inspect: {inspect_set(store, folder, arguments.samples, spread=spread)}")
