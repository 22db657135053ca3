"""A scan from its NIfTI files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from qsmbench.core.grid import Grid
from qsmbench.core.scan import Scan
from qsmbench.data.nifti import Volume, read_mask, read_volume


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
    """Read what a method may see.

    Args:
        local_field: ppm.
        mask: non-zero inside.
        magnitude: any unit.
        field_noise: standard deviation, ppm.
        b0_dir: in voxel axes; by default the scanner's z axis through the affine.
        b0: T.
        echo_times: s.
        like: volume whose grid all must have; by default the field's own.

    Raises:
        InputError: a file that is missing or damaged, grids that differ, what `Scan` refuses.
    """
    # The scan judges non-finite voxels: outside the mask they do no harm.
    volume = read_volume(local_field, finite=False, like=like)
    first = volume if like is None else like
    magnitudes, noise = (
        None if path is None else torch.from_numpy(read_volume(path, finite=False, like=first).data)
        for path in (magnitude, field_noise)
    )
    return Scan(
        local_field=torch.from_numpy(volume.data),
        mask=torch.from_numpy(read_mask(mask, like=first)),
        grid=Grid.from_affine(volume.data.shape, first.affine, b0_dir),
        magnitude=magnitudes,
        field_noise=noise,
        b0=b0,
        echo_times=tuple(echo_times),
    )
