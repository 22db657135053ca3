"""`qsmbench forward`: the field of a susceptibility map."""

import argparse
from pathlib import Path

import torch

from qsmbench.core.grid import Grid
from qsmbench.data.nifti import read_volume, write_volume
from qsmbench.physics.dipole import DEFAULT_PADDING, forward_field


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--chi", type=Path, required=True, help="susceptibility map, NIfTI, ppm")
    parser.add_argument("--out", type=Path, required=True, help="field to write, NIfTI, ppm")
    parser.add_argument(
        "--b0-dir",
        type=float,
        nargs=3,
        metavar=("X", "Y", "Z"),
        help="direction of B0 in voxel axes (default: the scanner's z axis through the affine)",
    )
    parser.add_argument("--padding", type=float, default=DEFAULT_PADDING, help="zero-padding factor (default: 2)")


def run(arguments: argparse.Namespace) -> None:
    """Read, convolve, write."""
    volume = read_volume(arguments.chi)
    grid = Grid.from_affine(volume.data.shape, volume.affine, arguments.b0_dir)
    field = forward_field(torch.from_numpy(volume.data), grid, arguments.padding)
    write_volume(arguments.out, field.numpy(), volume.affine, "field, ppm")
