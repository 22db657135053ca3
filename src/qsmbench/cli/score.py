"""`qsmbench score`: one JSON object of metrics."""

import argparse
import json
import math
from pathlib import Path

from qsmbench.core.errors import InputError
from qsmbench.data.nifti import read_mask, read_volume
from qsmbench.metrics.registry import map_metrics, score


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--estimate", type=Path, required=True, help="susceptibility map, NIfTI, ppm")
    parser.add_argument("--reference", type=Path, required=True, help="true susceptibility map, NIfTI, ppm")
    parser.add_argument("--mask", type=Path, required=True, help="where to score, NIfTI, non-zero inside")
    parser.add_argument("--metric", action="append", metavar="NAME", help="one metric (default: all; may be repeated)")


def run(arguments: argparse.Namespace) -> None:
    """Read, score, print."""
    possible = map_metrics()
    names = arguments.metric or possible
    unknown = [name for name in names if name not in possible]
    if unknown:
        raise InputError(f"unknown metric '{unknown[0]}'; known: {', '.join(possible)}")
    reference = read_volume(arguments.reference, finite=False)
    estimate = read_volume(arguments.estimate, finite=False, like=reference)
    mask = read_mask(arguments.mask, like=reference)
    values = score(estimate.data, reference.data, mask, reference.voxel_size, names)
    # JSON has no NaN: an undefined score is null.
    print(json.dumps({name: value if math.isfinite(value) else None for name, value in values.items()}))
