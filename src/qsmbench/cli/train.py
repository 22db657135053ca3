"""`qsmbench train`: train a network on a synthetic set."""

import argparse
import sys
from pathlib import Path

from qsmbench.cli.common import add_compute_arguments, parse_spec, set_up_compute
from qsmbench.config.networks import AnyNetwork
from qsmbench.core.errors import InputError
from qsmbench.training.loop import DivergenceError, train
from qsmbench.training.stop import StoppedError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--store", type=Path, required=True, help="Zarr folder of the training set")
    parser.add_argument("--spec", required=True, help="the network's section of the configuration, JSON")
    parser.add_argument("--weights", type=Path, required=True, help="weights to write; a checkpoint lies beside them")
    parser.add_argument("--record", type=Path, required=True, help="CSV of the training's course to write")
    parser.add_argument("--curves", type=Path, help="folder for the course as TensorBoard's event files")
    add_compute_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Train, or go on from the checkpoint."""
    spec = parse_spec(AnyNetwork, arguments.spec)
    if arguments.threads is None:
        arguments.threads = spec.threads
    device = set_up_compute(arguments)
    try:
        train(arguments.store, spec, arguments.weights, arguments.record, device=device, curves=arguments.curves)
    except DivergenceError as error:
        raise InputError(str(error)) from error
    except StoppedError as error:
        print(f"qsmbench train: {error}; the same command goes on from there", file=sys.stderr)
        sys.exit(143)
