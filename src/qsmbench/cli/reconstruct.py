"""`qsmbench reconstruct METHOD`: chi from a field or echoes, and beside it what made it and how the iterations went."""

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from qsmbench.cli.common import add_compute_arguments, parse_options, set_up_compute
from qsmbench.cli.reconstruct_inputs import add_input_arguments, input_files, read_input
from qsmbench.core.errors import InputError
from qsmbench.data.atomic import write_json_atomic
from qsmbench.data.bids_write import sidecar
from qsmbench.data.inputs_kept import keep_inputs
from qsmbench.data.nifti import write_volume
from qsmbench.methods.contract import ReconstructionError
from qsmbench.methods.registry import build, find
from qsmbench.provenance.version import code_version


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("method", metavar="METHOD", help="name of the method (see 'qsmbench methods')")
    parser.add_argument("--out", type=Path, required=True, help="susceptibility map to write, NIfTI, ppm")
    parser.add_argument("--uncertainty", type=Path, help="its standard deviation to write, for methods that tell one")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="parameter of the method")
    parser.add_argument(
        "--weights",
        type=Path,
        help="weights of a network: a file or shipped:NAME (default: those of its name that come with qsmbench)",
    )
    add_input_arguments(parser)
    add_compute_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Read, reconstruct, write."""
    weights = arguments.weights or find(arguments.method).shipped_weights
    method = build(arguments.method, parse_options(arguments.option), weights)
    device = set_up_compute(arguments)
    keep_inputs([path for path in (arguments.out, arguments.uncertainty) if path is not None], input_files(arguments))
    scan, said, frames, source = read_input(arguments, method.begins_earlier)
    for line in said:
        print(f"qsmbench reconstruct: {line}", file=sys.stderr)
    try:
        started = time.perf_counter()
        found = method.reconstruct(scan.to(device))
        seconds = time.perf_counter() - started
    except ReconstructionError as error:
        named = arguments.local_field or arguments.total_field or arguments.phase[0]
        raise InputError(f"{named}: {error}") from error
    if arguments.uncertainty is not None and found.uncertainty is None:
        raise InputError(
            f"method {arguments.method} tells no uncertainty; a trained network does with --option symmetries=8"
        )
    for line in found.notes:
        print(f"qsmbench reconstruct: {line}", file=sys.stderr)
    grid = found.grid or scan.grid
    # A finer map has a grid of its own.
    kept = frames if found.grid is None else None
    about = {
        "method": arguments.method,
        "parameters": {name: str(v) if isinstance(v, Path) else v for name, v in asdict(method).items()},
        **source,
        "b0_dir": list(scan.grid.b0_dir),
        "voxel_size": list(grid.voxel_size),
        "seconds": round(seconds, 3),
        "convergence": [asdict(course) for course in found.convergence],
        "notes": list(found.notes),
        "warnings": list(said),
        "code_version": code_version(),
    }
    # Serialised once before anything is written: a map never stands without what says how it was made.
    json.dumps(about, allow_nan=False)
    write_volume(arguments.out, found.chi.cpu().numpy(), grid.matrix, f"chi, ppm, {arguments.method}", kept)
    if arguments.uncertainty is not None and found.uncertainty is not None:
        spread = found.uncertainty.cpu().numpy()
        write_volume(arguments.uncertainty, spread, grid.matrix, f"SD of chi, ppm, {arguments.method}", kept)
    write_json_atomic(sidecar(arguments.out), about)
