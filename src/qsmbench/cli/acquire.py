"""`qsmbench acquire`: simulate acquisitions of whole heads as a BIDS dataset."""

import argparse
from pathlib import Path

from pydantic import ValidationError

from qsmbench.benchmark.acquisition import acquire_subject, write_dataset
from qsmbench.core.errors import InputError
from qsmbench.sets.simulated import SimulatedSet
from qsmbench.simulation.acquisition.cases import CASES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--protocol", choices=("research", "clinical"), required=True, help="the sequence")
    parser.add_argument(
        "--subject", action="append", choices=tuple(CASES), help="whom to scan; may be repeated (default: all)"
    )
    parser.add_argument(
        "--scale", type=float, nargs=3, default=(1.0, 1.0, 1.0), metavar=("X", "Y", "Z"), help="larger voxels"
    )
    parser.add_argument("--snr", type=float, help="of the brain at the first echo; 0 without noise")
    parser.add_argument("--name", default="acquisitions", help="of the set; part of the seed (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=2019, help="default: %(default)s")
    parser.add_argument("--out-dir", type=Path, required=True, help="BIDS folder to write")


def run(arguments: argparse.Namespace) -> None:
    """Simulate on one thread: several commands may run side by side."""
    import torch

    torch.set_num_threads(1)
    try:
        spec = SimulatedSet(
            kind="simulated",
            protocol=arguments.protocol,
            subjects=tuple(arguments.subject or CASES),
            scale=tuple(arguments.scale),
            snr=arguments.snr,
        )
    except ValidationError as error:
        raise InputError(error.errors()[0]["msg"].removeprefix("Value error, ")) from error
    write_dataset(spec, arguments.name, arguments.out_dir)
    for number, subject in enumerate(spec.subjects, 1):
        acquire_subject(spec, arguments.name, subject, arguments.seed, arguments.out_dir)
        print(f"{number} of {len(spec.subjects)}: {arguments.out_dir}/sub-{subject}", flush=True)
