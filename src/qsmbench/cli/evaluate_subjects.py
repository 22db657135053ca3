"""`qsmbench evaluate-subjects`: score maps, or prepared fields, of a simulated set against its truth."""

import argparse
from pathlib import Path

from qsmbench.benchmark.subjects import evaluate_fields, evaluate_subjects
from qsmbench.core.errors import InputError
from qsmbench.metrics.registry import METRICS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--truth", type=Path, required=True, help="the raw dataset with its ground truth")
    parser.add_argument("--prepared", type=Path, required=True, help="BIDS derivative of 'qsmbench prepare'")
    parser.add_argument("--subjects", nargs="+", required=True, help="labels without sub-")
    parser.add_argument("--out", type=Path, required=True, help="Parquet of chi's scores, or CSV of the fields'")
    parser.add_argument("--fields", action="store_true", help="score total and local field, not chi")
    parser.add_argument("--set", help="name of the set")
    parser.add_argument("--run", dest="run_name", help="name of the method's entry")
    parser.add_argument("--maps", type=Path, help="BIDS derivative of the method")
    parser.add_argument("--status", type=Path, help="JSON that came with it")
    parser.add_argument("--metrics", nargs="*", default=[], help="names (default: all)")
    parser.add_argument("--seed", type=int, default=0)


def run(arguments: argparse.Namespace) -> None:
    """Score and write."""
    data = {"truth": arguments.truth, "prepared": arguments.prepared, "subjects": arguments.subjects}
    if arguments.fields:
        evaluate_fields(**data, out=arguments.out)
        return
    for name in ("set", "run_name", "maps", "status"):
        if getattr(arguments, name) is None:
            raise InputError(f"--{name.removesuffix('_name')} is missing; it is needed without --fields")
    evaluate_subjects(
        set_name=arguments.set,
        run_name=arguments.run_name,
        **data,
        maps=arguments.maps,
        status=arguments.status,
        metrics=arguments.metrics or list(METRICS),
        seed=arguments.seed,
        out=arguments.out,
    )
