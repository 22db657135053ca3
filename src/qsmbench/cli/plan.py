"""`qsmbench plan`: what a configuration will cost, before anything runs."""

import argparse
from pathlib import Path

from qsmbench.benchmark.plan import plan
from qsmbench.benchmark.run import Run
from qsmbench.benchmark.site import Site, read_site
from qsmbench.config.load import read_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("config", type=Path, metavar="CONFIG", help="YAML file")
    parser.add_argument(
        "--site", type=Path, help="site file, as profiles/slurm/site.yaml (default: one GPU partition, nodes of 180 GB)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Print Markdown: jobs, core hours, GPU hours, memory, disk, and what was assumed."""
    site = Site(gpu_partition="gpu") if arguments.site is None else read_site(arguments.site)
    print(plan(Run(read_config(arguments.config)), site), end="")
