"""`qsmbench plan`: what a configuration will cost, before anything runs."""

import argparse
import sys
from pathlib import Path

from qsmbench.benchmark.first_run import known, measure
from qsmbench.benchmark.plan import plan, unmeasured
from qsmbench.benchmark.registry_checks import check_against_registries
from qsmbench.benchmark.run import Run
from qsmbench.benchmark.site import Site, read_site
from qsmbench.config.load import read_config
from qsmbench.core.errors import InputError
from qsmbench.methods.contract import ReconstructionError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("config", type=Path, metavar="CONFIG", help="YAML file")
    parser.add_argument(
        "--site", type=Path, help="site file, as profiles/slurm/site.yaml (default: one GPU partition, nodes of 180 GB)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Print Markdown: jobs, core hours, GPU hours, memory, disk, and what was assumed."""
    site = Site(gpu_partition="gpu") if arguments.site is None else read_site(arguments.site)
    config = read_config(arguments.config)
    check_against_registries(config, str(arguments.config))
    for key, method in unmeasured(config).items():
        if known(method, config.methods[key].options) is None:
            print(f"qsmbench plan: a first small run of {key}, whose costs nobody measured", file=sys.stderr)
            try:
                measure(method, config.methods[key].options)
            except (InputError, ReconstructionError) as error:
                print(f"qsmbench plan: {key}: {error}", file=sys.stderr)
    print(plan(Run(config), site), end="")
