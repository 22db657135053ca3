"""`qsmbench source`: step 1 of the workflow."""

import argparse
from pathlib import Path

from qsmbench.benchmark.source import make_source
from qsmbench.cli.common import parse_spec
from qsmbench.config.model import Source


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--spec", required=True, help="the configuration's 'source', JSON")
    parser.add_argument("--out-dir", type=Path, required=True)


def run(arguments: argparse.Namespace) -> None:
    """Make the source's folder."""
    make_source(parse_spec(Source, arguments.spec), arguments.out_dir)
