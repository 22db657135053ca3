"""`qsmbench make-shard`: step 2 of the workflow, one job's worth."""

import argparse
from pathlib import Path

from qsmbench.benchmark.synthesis import make_shard
from qsmbench.cli.common import parse_spec
from qsmbench.config.model import SyntheticSet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--source-dir", type=Path, required=True)
    parser.add_argument("--name", required=True, help="of the set")
    parser.add_argument("--spec", required=True, help="the set's section of the configuration, JSON")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--shard", type=int, required=True)
    parser.add_argument("--store", type=Path, required=True, help="Zarr folder, its metadata written")
    parser.add_argument("--hashes", type=Path, required=True, help="JSON to write")


def run(arguments: argparse.Namespace) -> None:
    """Make the shard on one thread: jobs run side by side, and one FFT on two threads is slower than two on one."""
    import torch

    torch.set_num_threads(1)
    make_shard(
        source_dir=arguments.source_dir,
        store_path=arguments.store,
        name=arguments.name,
        spec=parse_spec(SyntheticSet, arguments.spec),
        shard=arguments.shard,
        seed=arguments.seed,
        hashes=arguments.hashes,
    )
