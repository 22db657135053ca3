"""`qsmbench choose`: the best point of a tuning grid."""

import argparse
from pathlib import Path

from qsmbench.benchmark.tuning import choose
from qsmbench.cli.common import parse_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("points", type=Path, nargs="+", metavar="JSON", help="from tune-point, in the grid's order")
    parser.add_argument("--tuned-on", required=True, metavar="SET", help="name of the tuning set")
    parser.add_argument("--fixed", default="{}", help="options that are no part of the grid, JSON")
    parser.add_argument("--out", type=Path, required=True, help="JSON to write: what was chosen")
    parser.add_argument("--table", type=Path, required=True, help="CSV to write: a row a point")


def run(arguments: argparse.Namespace) -> None:
    """Choose and write."""
    choose(
        arguments.points,
        tuned_on=arguments.tuned_on,
        fixed=parse_json(arguments.fixed, "--fixed"),
        out=arguments.out,
        table=arguments.table,
    )
