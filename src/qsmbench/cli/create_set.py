"""`qsmbench create-set`: the metadata of a synthetic set."""

import argparse
from pathlib import Path

from qsmbench.benchmark.synthesis import create_set
from qsmbench.cli.common import parse_spec
from qsmbench.config.model import SyntheticSet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--name", required=True, help="of the set")
    parser.add_argument("--spec", required=True, help="the set's section of the configuration, JSON")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--source-dir", type=Path, required=True)
    parser.add_argument("--store", type=Path, required=True, help="Zarr folder to write")


def run(arguments: argparse.Namespace) -> None:
    """Write the metadata."""
    spec = parse_spec(SyntheticSet, arguments.spec)
    create_set(arguments.store, arguments.name, spec, arguments.seed, arguments.source_dir)
