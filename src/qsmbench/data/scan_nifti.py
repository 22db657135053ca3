"""A scan from its NIfTI files, and what was doubtful about them.

Beside the field a sidecar may say its `Units`, `B0_dir` (voxel axes), `MagneticFieldStrength` and `EchoTimes`; what the
caller gives goes before, what the header says after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from qsmbench.core.b0 import b0_doubts, check_b0
from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.core.scan import Scan
from qsmbench.data.field_checks import field_doubts
from qsmbench.data.field_units import to_ppm
from qsmbench.data.frames import Frames
from qsmbench.data.mask_values import thin
from qsmbench.data.nifti import Volume, read_mask_and_notes, read_volume
from qsmbench.data.sidecars import b0_dir_of, b0_of, number, read_sidecar, units_of


def read_scan(
    local_field: Path,
    mask: Path,
    *,
    magnitude: Path | None = None,
    field_noise: Path | None = None,
    b0_dir: Sequence[float] | None = None,
    b0: float | None = None,
    echo_times: Sequence[float] = (),
    like: Volume | None = None,
) -> Scan:
    """Read what a method may see; see :func:`read_scan_and_notes`."""
    return read_scan_and_notes(
        local_field,
        mask,
        magnitude=magnitude,
        field_noise=field_noise,
        b0_dir=b0_dir,
        b0=b0,
        echo_times=echo_times,
        like=like,
    )[0]


def read_scan_and_notes(
    local_field: Path,
    mask: Path,
    *,
    magnitude: Path | None = None,
    field_noise: Path | None = None,
    b0_dir: Sequence[float] | None = None,
    b0: float | None = None,
    echo_times: Sequence[float] = (),
    units: str | None = None,
    like: Volume | None = None,
    total: bool = False,
) -> tuple[Scan, tuple[str, ...], Frames]:
    """Read what a method may see, with one line for everything doubtful, and the header's matrices.

    Args:
        local_field: in ppm or another unit (`data.field_units`).
        mask: one thing inside (`data.mask_values`).
        magnitude: any unit.
        field_noise: standard deviation, in the field's unit.
        b0_dir: in voxel axes; by default the sidecar's, else the scanner's z axis through the header.
        b0: T; by default the sidecar's.
        echo_times: s; by default the sidecar's.
        units: of the field; by default the sidecar's, else ppm.
        like: volume whose grid all must have; by default the field's own.
        total: whether the field is a total one, whose values are judged otherwise.

    Raises:
        InputError: a file that is missing or damaged, grids that differ, a unit that cannot be converted, what `Scan`
            refuses.
    """
    # The scan judges non-finite voxels: outside the mask they do no harm.
    volume = read_volume(local_field, finite=False, like=like)
    first = volume if like is None else like
    said = read_sidecar(local_field)
    inside, notes = read_mask_and_notes(mask, like=first)
    doubts = list(notes)
    if b0_dir is None:
        b0_dir = b0_dir_of(said, str(local_field))
        doubts += [f"{local_field}: {doubt}" for doubt in first.frames.doubts(b0_dir)]
    stated_b0 = b0_of(said, str(local_field))
    if b0 is None:
        b0 = stated_b0
    else:
        doubts += b0_doubts(b0, stated_b0, str(local_field))
    stated_times = said.get("EchoTimes")
    if not echo_times and isinstance(stated_times, list):
        found = [number(t) for t in stated_times]
        echo_times = [t for t in found if t is not None] if None not in found else ()
    if b0 is not None:
        check_b0(b0, str(local_field))
    stated = units_of(said, str(local_field))
    field, converted = to_ppm(volume.data, inside, str(local_field), units=units, stated=stated, b0=b0, total=total)
    doubts += converted
    noise = None
    if field_noise is not None:
        noise = read_volume(field_noise, finite=False, like=first).data
        stated = units_of(read_sidecar(field_noise), str(field_noise)) or stated
        noise, _ = to_ppm(noise, inside, str(field_noise), units=units, stated=stated, b0=b0)
    size = first.voxel_size
    doubts += field_doubts(field, inside, str(local_field), total=total, noise=noise, voxel_size=size)
    doubts += thin(inside, f"mask {mask}")
    try:
        grid = Grid.from_affine(volume.data.shape, first.affine, b0_dir)
    except InputError as error:
        raise InputError(f"{local_field}: {error}") from error
    scan = Scan(
        local_field=torch.from_numpy(field),
        mask=torch.from_numpy(inside),
        grid=grid,
        magnitude=None
        if magnitude is None
        else torch.from_numpy(read_volume(magnitude, finite=False, like=first).data),
        field_noise=None if noise is None else torch.from_numpy(noise),
        b0=b0,
        echo_times=tuple(echo_times),
    )
    return scan, tuple(doubts), first.frames
