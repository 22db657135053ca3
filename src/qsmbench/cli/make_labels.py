"""`qsmbench make-labels`: the tissue labels of a test set."""

import argparse
from pathlib import Path

from qsmbench.benchmark.labels import make_labels
from qsmbench.cli.common import parse_spec
from qsmbench.config.model import SyntheticSet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--source-dir", type=Path, required=True)
    parser.add_argument("--name", required=True, help="of the set")
    parser.add_argument("--spec", required=True, help="the set's section of the configuration, JSON")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="Zarr folder to write")
    parser.add_argument("--names", type=Path, required=True, help="JSON to write: what each label means")


def run(arguments: argparse.Namespace) -> None:
    """Label every sample."""
    make_labels(
        source_dir=arguments.source_dir,
        name=arguments.name,
        spec=parse_spec(SyntheticSet, arguments.spec),
        seed=arguments.seed,
        out=arguments.out,
        names=arguments.names,
    )
