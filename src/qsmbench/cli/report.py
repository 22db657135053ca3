"""`qsmbench report`: tables, figures and the page of a results folder."""

import argparse
import json
from pathlib import Path

from qsmbench.benchmark.plan import display
from qsmbench.benchmark.scans import scan_files
from qsmbench.cli.common import parse_spec
from qsmbench.config.model import Config
from qsmbench.data.atomic import write_text_atomic
from qsmbench.report.build import build_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--config", required=True, help="the whole configuration, JSON")
    parser.add_argument("--scores", type=Path, required=True, help="Parquet of all scores")
    parser.add_argument("--out-dir", type=Path, required=True)


def run(arguments: argparse.Namespace) -> None:
    """Write display.json, tables, figures, index.html."""
    config: Config = parse_spec(Config, arguments.config)
    shown = display(config)
    path = arguments.out_dir / "display.json"
    # Not sorted: the order of sets, methods and metrics is the order of the tables.
    write_text_atomic(path, json.dumps(shown, indent=2) + "\n")
    volumes = {
        name: (
            config.results / f"synthetic/{name}.zarr",
            {run: config.results / f"reconstructions/{name}/{run}.zarr" for run in config.methods},
        )
        for name in shown["sets"]
        if name in config.synthetic
    }
    records = {name: config.results / f"networks/{name}.csv" for name in config.networks}
    scans, fields = scan_files(config)
    page = build_report(arguments.scores, path, volumes, records, arguments.out_dir, scans=scans, fields=fields)
    print(f"report: {page}")
