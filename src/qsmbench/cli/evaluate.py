"""`qsmbench evaluate`: step 4 of the workflow."""

import argparse
from pathlib import Path

from qsmbench.benchmark.evaluation import evaluate_set
from qsmbench.metrics.registry import METRICS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--set", required=True, help="name of the set")
    parser.add_argument("--run", dest="run_name", required=True, help="name of the method's entry")
    parser.add_argument("--store", type=Path, required=True, help="Zarr folder of the set")
    parser.add_argument("--reconstruction", type=Path, required=True, help="Zarr folder of the method's maps")
    parser.add_argument("--status", type=Path, required=True, help="JSON that came with them")
    parser.add_argument("--hashes", type=Path, nargs="+", required=True, help="JSON files of the set's shards")
    parser.add_argument("--metrics", nargs="*", default=[], help="names (default: all)")
    parser.add_argument("--labels", type=Path, help="Zarr folder of the set's tissue labels")
    parser.add_argument("--label-names", type=Path, help="JSON: what each label means")
    parser.add_argument("--out", type=Path, required=True, help="Parquet to write")


def run(arguments: argparse.Namespace) -> None:
    """Score and write."""
    evaluate_set(
        set_name=arguments.set,
        run_name=arguments.run_name,
        store=arguments.store,
        reconstruction=arguments.reconstruction,
        status=arguments.status,
        hashes=arguments.hashes,
        metrics=arguments.metrics or list(METRICS),
        out=arguments.out,
        labels=arguments.labels,
        label_names=arguments.label_names,
    )
