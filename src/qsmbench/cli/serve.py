"""`qsmbench serve`: the pages of results folders in this machine's browser, live."""

import argparse
import sys
from pathlib import Path

from qsmbench.benchmark.report import missing_maps
from qsmbench.benchmark.run import Run
from qsmbench.config.load import check_config
from qsmbench.core.damage import shown
from qsmbench.core.errors import InputError
from qsmbench.data.layout import RunLayout
from qsmbench.data.regular import check_regular
from qsmbench.report.display import read_display
from qsmbench.report.live import LiveRun, OpenedRun
from qsmbench.report.server import PageServer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("results", nargs="+", type=Path, metavar="RESULTS", help="folders of runs; nothing is written")
    parser.add_argument("--port", type=int, default=8000, help="default: 8000; 0 takes a free one")


def run(arguments: argparse.Namespace) -> None:
    """Make the pages, say where they are, and answer until Ctrl-C.

    Raises:
        InputError: a folder without results, or with something odd in it; a port that is no port or is taken.
    """
    if not 0 <= arguments.port <= 65535:
        raise InputError(f"{arguments.port} is no port; give a number from 1 to 65535, or 0")
    runs = [LiveRun(root, opened_run) for root in arguments.results]
    try:
        server = PageServer(runs, arguments.port, _say)
    except OSError as error:
        raise InputError(f"port {arguments.port} cannot be had ({error.strerror}); give another, --port 0") from error
    with server:
        for one in runs:
            print(f"making the page of {shown(str(one.root))}", file=sys.stderr, flush=True)
            one.page()
        print(f"{server.url} (Ctrl-C ends)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("ended", file=sys.stderr)


def opened_run(root: Path) -> OpenedRun:
    """Open a results folder after its report's display.json.

    Raises:
        InputError: no folder, links or other odd things in it, no or another's display file.
    """
    layout = RunLayout(root)
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; give the results folder of a run")
    check_regular(root)
    display = read_display(layout.display)
    of = Run(check_config(display.config, str(layout.display)), root)
    for line in missing_maps(of, display):
        _say(line)
    return OpenedRun(layout, display, of.sets)


def _say(line: str) -> None:
    print(f"qsmbench serve: {shown(line)}", file=sys.stderr)
