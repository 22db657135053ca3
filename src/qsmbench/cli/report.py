"""`qsmbench report`: tables, figures and the page of a results folder."""

import argparse
import sys
from pathlib import Path

from qsmbench.benchmark.report import missing_maps
from qsmbench.benchmark.run import Run
from qsmbench.config.load import check_config
from qsmbench.core.errors import InputError
from qsmbench.data.layout import RunLayout
from qsmbench.data.regular import check_regular
from qsmbench.report.build import build_report
from qsmbench.report.display import read_display


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("results", type=Path, metavar="RESULTS", help="the run's folder; nothing in it is recomputed")
    parser.add_argument("--out-dir", type=Path, help="folder to write (default: RESULTS/report)")


def run(arguments: argparse.Namespace) -> None:
    """Write tables, figures and index.html as the last report's display.json has their labels and order.

    Raises:
        InputError: no results, or results without scores.
    """
    layout = RunLayout(arguments.results)
    if not layout.root.is_dir():
        raise InputError(f"{layout.root} is not a folder; give the results folder of a run")
    check_regular(layout.root)
    shown = read_display(layout.display)
    of = Run(check_config(shown.config, str(layout.display)), layout.root)
    for line in missing_maps(of, shown):
        print(f"qsmbench report: {line}", file=sys.stderr)
    page = build_report(layout, shown, of.sets, arguments.out_dir or layout.report)
    print(f"report: {page} ({page.stat().st_size / 1e6:.1f} MB)")
