"""`qsmbench cosmos`: chi from several orientations, registered to one grid."""

import argparse
from dataclasses import asdict
from pathlib import Path

from qsmbench.cli.common import add_compute_arguments, set_up_compute
from qsmbench.core.errors import InputError
from qsmbench.data.atomic import write_json_atomic
from qsmbench.data.bids_write import sidecar
from qsmbench.data.nifti import read_volume, write_volume
from qsmbench.data.scan_nifti import read_scan
from qsmbench.methods.cosmos import cosmos
from qsmbench.provenance.version import code_version


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--local-field", type=Path, nargs="+", required=True, help="NIfTI, ppm, one an orientation")
    parser.add_argument("--mask", type=Path, nargs="+", required=True, help="NIfTI, one an orientation or one for all")
    parser.add_argument(
        "--b0-dir",
        type=float,
        nargs=3,
        action="append",
        required=True,
        metavar=("X", "Y", "Z"),
        help="direction of B0 in the voxel axes of the common grid; once an orientation, in the order of the fields",
    )
    parser.add_argument("--field-noise", type=Path, nargs="+", default=[], help="NIfTI, ppm, one an orientation")
    parser.add_argument("--out", type=Path, required=True, help="susceptibility map to write, NIfTI, ppm")
    parser.add_argument("--solver", choices=("lsqr", "closed"), default="lsqr", help="default: lsqr")
    parser.add_argument("--tolerance", type=float, default=0.01, help="of LSQR (default: 0.01)")
    parser.add_argument("--max-iterations", type=int, default=50, help="of LSQR (default: 50)")
    add_compute_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Read, combine, write; the condition number and the course go beside the map."""
    n = len(arguments.local_field)
    masks = arguments.mask * n if len(arguments.mask) == 1 else arguments.mask
    for name, given in (("--mask", masks), ("--b0-dir", arguments.b0_dir), ("--field-noise", arguments.field_noise)):
        if len(given) != n and not (name == "--field-noise" and not given):
            raise InputError(f"{name} is given for {len(given)} orientations, but there are {n} fields")
    device = set_up_compute(arguments)
    first = read_volume(arguments.local_field[0], finite=False)
    noise = arguments.field_noise or [None] * n
    scans = [
        read_scan(field, mask, field_noise=sd, b0_dir=b0_dir, like=first).to(device)
        for field, mask, sd, b0_dir in zip(arguments.local_field, masks, noise, arguments.b0_dir, strict=True)
    ]
    found = cosmos(scans, arguments.solver, arguments.tolerance, arguments.max_iterations)
    write_volume(arguments.out, found.chi.cpu().numpy(), first.affine, "chi, ppm, COSMOS")
    write_json_atomic(
        sidecar(arguments.out),
        {
            "method": "cosmos",
            "solver": arguments.solver,
            "local_fields": [path.name for path in arguments.local_field],
            "b0_dirs": [list(scan.grid.b0_dir) for scan in scans],
            "condition_number": found.condition_number,
            "n_voxels": int(found.mask.sum()),
            "convergence": [asdict(course) for course in found.convergence],
            "code_version": code_version(),
        },
    )
    print(f"condition number {found.condition_number:.3g}, {len(scans)} orientations, {int(found.mask.sum())} voxels")
