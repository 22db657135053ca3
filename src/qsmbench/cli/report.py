"""`qsmbench report`: tables, figures and the page of a results folder."""

import argparse
import json
import sys
from pathlib import Path

from qsmbench.cli.common import parse_spec
from qsmbench.core.errors import InputError
from qsmbench.data.atomic import write_text_atomic
from qsmbench.report.build import build_report
from qsmbench.report.display import read_display
from qsmbench.report.results import find_results


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("results", type=Path, metavar="RESULTS", help="the run's folder; nothing in it is recomputed")
    parser.add_argument("--out-dir", type=Path, help="folder to write (default: RESULTS/report)")
    parser.add_argument("--config", help="workflow: the whole configuration, JSON (default: that of the last report)")


def run(arguments: argparse.Namespace) -> None:
    """Write tables, figures, index.html; with a configuration also display.json.

    Raises:
        InputError: no results, or results without scores.
    """
    results: Path = arguments.results
    if not results.is_dir():
        raise InputError(f"{results} is not a folder; give the results folder of a run")
    out_dir: Path = arguments.out_dir or results / "report"
    path = results / "report/display.json"
    if arguments.config is not None:
        # Checking methods loads torch, which a report from stored scores can do without.
        from qsmbench.benchmark.plan import display
        from qsmbench.config.model import Config

        path = out_dir / "display.json"
        # Not sorted: the order of sets, methods and metrics is the order of the tables.
        write_text_atomic(path, json.dumps(display(parse_spec(Config, arguments.config)), indent=2) + "\n")
    shown = read_display(path)
    found = find_results(results, shown)
    for name in shown.sets:
        if name in found.scans:
            continue
        missing = [run for run in shown.methods if name not in found.volumes or run not in found.volumes[name][1]]
        if missing:
            print(f"qsmbench report: no volumes of {', '.join(missing)} on {name}: tables only", file=sys.stderr)
    page = build_report(results / "scores.parquet", path, found.volumes, found.records, out_dir, found=found)
    print(f"report: {page} ({page.stat().st_size / 1e6:.1f} MB)")
