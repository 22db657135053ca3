"""`qsmbench crate`: describe a results folder as a Workflow Run RO-Crate."""

import argparse
import json
import sys
from pathlib import Path

from qsmbench.cli.common import parse_json
from qsmbench.core.errors import InputError
from qsmbench.provenance.crate import CONFIG, write_crate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("results", type=Path, metavar="RESULTS", help="the run's folder")
    parser.add_argument("--config", help="the whole configuration, JSON (default: that of the last crate)")
    parser.add_argument("--workflow", type=Path, default=Path(), help="folder of the Snakefile (default: this one)")
    parser.add_argument("--threads", type=int, default=2, help="files hashed at a time (default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Write manifest and metadata; print the digest."""
    results: Path = arguments.results
    if arguments.config is not None:
        config = parse_json(arguments.config, "--config")
    elif (results / CONFIG).is_file():
        config = json.loads((results / CONFIG).read_text(encoding="utf-8"))
    else:
        raise InputError(f"{results / CONFIG} does not exist; give the configuration with --config")
    made = write_crate(results, config, arguments.workflow, threads=max(1, arguments.threads))
    for line in made.warnings:
        print(f"qsmbench crate: {line}", file=sys.stderr)
    print(f"crate: {made.n_files} files, {made.n_bytes / 1e6:.1f} MB, {made.n_entities} entities")
    print(f"digest of everything (SHA-256 of ro-crate-metadata.json): {made.digest}")
