"""`qsmbench reconstruct-subjects`: run one method over the scans of a prepared set."""

import argparse
import json
from pathlib import Path

from qsmbench.benchmark.subjects import reconstruct_subjects
from qsmbench.cli.common import add_compute_arguments, parse_json, set_up_compute


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("method", metavar="METHOD")
    parser.add_argument("--prepared", type=Path, required=True, help="BIDS derivative of 'qsmbench prepare'")
    parser.add_argument("--subjects", nargs="+", required=True, help="labels without sub-")
    parser.add_argument("--options", default="{}", help="the method's options, JSON")
    parser.add_argument("--tuned", type=Path, help="JSON of 'qsmbench choose', whose options go over --options")
    parser.add_argument("--weights", type=Path, help="weights of a network")
    parser.add_argument("--out", type=Path, required=True, help="BIDS derivative to write")
    parser.add_argument("--status", type=Path, required=True, help="JSON to write: what worked and what failed")
    parser.add_argument("--timings", type=Path, required=True, help="CSV to write: seconds a scan")
    add_compute_arguments(parser, threads=1)


def run(arguments: argparse.Namespace) -> None:
    """Reconstruct every scan."""
    device = set_up_compute(arguments)
    options = parse_json(arguments.options, "--options")
    if arguments.tuned is not None:
        options |= json.loads(arguments.tuned.read_text(encoding="utf-8"))["options"]
    reconstruct_subjects(
        prepared=arguments.prepared,
        subjects=arguments.subjects,
        method=arguments.method,
        options=options,
        weights=arguments.weights,
        out=arguments.out,
        status=arguments.status,
        timings=arguments.timings,
        device=device,
    )
