"""`qsmbench collect-scores`: join the score tables of all sets and methods."""

import argparse
from pathlib import Path

from qsmbench.benchmark.evaluation import collect_scores


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("parts", type=Path, nargs="*", help="Parquet files, in the order of the result")
    parser.add_argument("--out", type=Path, required=True, help="Parquet to write")


def run(arguments: argparse.Namespace) -> None:
    """Join and write."""
    collect_scores(arguments.parts, arguments.out)
