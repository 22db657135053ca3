"""`qsmbench crate`: describe a results folder as a Workflow Run RO-Crate."""

import argparse
import sys
from pathlib import Path

from qsmbench.benchmark.steps.registry import folder_texts
from qsmbench.config.load import read_config
from qsmbench.core.errors import InputError
from qsmbench.data.layout import RunLayout
from qsmbench.provenance.crate import write_crate
from qsmbench.provenance.signature import sign


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("results", type=Path, metavar="RESULTS", help="the run's folder")
    parser.add_argument("--workflow", type=Path, default=Path(), help="folder of the Snakefile (default: this one)")
    parser.add_argument(
        "--sign", type=Path, metavar="KEY", help="private SSH key to sign the digest with (ro-crate-metadata.json.sig)"
    )
    parser.add_argument("--threads", type=int, default=2, help="files hashed at a time (default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Write manifest and metadata; print the digest."""
    layout = RunLayout(arguments.results)
    if not layout.config.is_file():
        raise InputError(f"{layout.config} does not exist; run the workflow first")
    config = read_config(layout.config).model_dump(mode="json")
    made = write_crate(layout.root, config, arguments.workflow, folder_texts(), threads=max(1, arguments.threads))
    for line in made.warnings:
        print(f"qsmbench crate: {line}", file=sys.stderr)
    print(f"crate: {made.n_files} files, {made.n_bytes / 1e6:.1f} MB, {made.n_entities} entities")
    if arguments.sign is not None:
        print(f"signed: {sign(layout.root, arguments.sign)}")
    print(f"digest of everything (SHA-256 of ro-crate-metadata.json): {made.digest}")
