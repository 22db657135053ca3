"""`qsmbench give-weights`: put trained weights beside what is made with them."""

import argparse
from pathlib import Path

from qsmbench.data.atomic import atomic_path
from qsmbench.networks.shipped import resolve


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("weights", help="a file, or shipped:NAME for weights that come with qsmbench")
    parser.add_argument("--out", type=Path, required=True, help="copy to write")


def run(arguments: argparse.Namespace) -> None:
    """Copy."""
    with atomic_path(arguments.out) as temporary:
        temporary.write_bytes(resolve(arguments.weights).read_bytes())
