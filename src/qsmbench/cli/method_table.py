"""`qsmbench method-table`: errors and costs of every method in one table a set."""

import argparse
from pathlib import Path

from qsmbench.benchmark.method_table import write_method_table
from qsmbench.cli.common import parse_spec
from qsmbench.config.model import Config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--config", required=True, help="the resolved configuration, JSON")
    parser.add_argument("--scores", type=Path, required=True, help="Parquet of all scores")
    parser.add_argument("--results", type=Path, required=True, help="folder of the run")
    parser.add_argument("--out", type=Path, required=True, help="Markdown to write")


def run(arguments: argparse.Namespace) -> None:
    """Write the table."""
    config = parse_spec(Config, arguments.config)
    write_method_table(config, arguments.scores, arguments.results, arguments.out)
