"""What the Python face takes, NIfTI paths or arrays, as volumes on one grid."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid


def _is_path(source: Any) -> bool:
    return isinstance(source, str | PathLike)


def volume_of(source: Any, affines: list[NDArray[np.float64]]) -> NDArray[np.float32]:
    """Return a volume's values; where it is a file, note its affine, which later files must share.

    Raises:
        InputError: a damaged file, or an affine that is not that of the files before.
    """
    if not _is_path(source):
        # A copy where it must be: what comes from elsewhere may be read-only or of a foreign byte order.
        if hasattr(source, "detach"):
            source = source.detach().cpu().numpy()
        return np.require(np.asarray(source), np.float32, ["C", "W"])
    from qsmbench.data.nifti import read_volume

    volume = read_volume(Path(source), finite=False)
    _agree(Path(source), volume.affine, affines)
    return volume.data


def echoes_of(source: Any, affines: list[NDArray[np.float64]]) -> NDArray[np.float32]:
    """Return echoes (n_echoes, x, y, z): an array as it is, files one an echo or one with all of them."""
    many = list(source) if isinstance(source, list | tuple) else [source]
    if not any(_is_path(one) for one in many):
        return np.require(np.asarray(source), np.float32, ["C", "W"])
    from qsmbench.data.nifti import read_volumes

    volumes = [volume for path in many for volume in read_volumes(Path(path))]
    _agree(Path(many[0]), volumes[0].affine, affines)
    return np.stack([volume.data for volume in volumes])


def _agree(path: Path, affine: NDArray[np.float64], affines: list[NDArray[np.float64]]) -> None:
    if affines and not np.allclose(affine, affines[0], atol=1e-3):
        raise InputError(f"{path}: its affine is not that of the other volumes; resample it onto their grid")
    affines.append(affine)


def grid_of(
    shape: Sequence[int],
    affines: Sequence[NDArray[np.float64]],
    voxel_size: Sequence[float] | None,
    b0_dir: Sequence[float] | None,
) -> Grid:
    """Return the geometry: that of the files, or where there are only arrays that of ``voxel_size`` (mm).

    Raises:
        InputError: a voxel size that is missing, or given beside files; another number of axes than three.
    """
    if affines:
        if voxel_size is not None:
            raise InputError("voxel_size: the NIfTI header says it; leave it out")
        return Grid.from_affine(shape, affines[0], b0_dir)
    if voxel_size is None:
        raise InputError("voxel_size is missing: arrays do not say it; give it in mm")
    if len(shape) != 3:
        raise InputError(f"a volume has three axes, got shape {tuple(shape)}")
    return Grid.from_affine(shape, np.diag([*(float(v) for v in voxel_size), 1.0]), b0_dir)
