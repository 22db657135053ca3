"""What the Python face takes, NIfTI paths or arrays, as volumes on one grid."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid

if TYPE_CHECKING:
    from qsmbench.core.scan import Scan
    from qsmbench.preparation.echoes import Echoes
    from qsmbench.preparation.settings import PhaseSettings


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


def mask_of(source: Any, affines: list[NDArray[np.float64]]) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Return a mask and what was made of its values (`data.mask_values`), one line each.

    Raises:
        InputError: as ``volume_of``; no mask of one thing.
    """
    from qsmbench.data.mask_values import as_mask

    return as_mask(volume_of(source, affines), str(source) if _is_path(source) else "array")


def said_mask(source: Any, affines: list[NDArray[np.float64]]) -> NDArray[np.bool_]:
    """Return a mask; what was made of its values is a warning of the caller's caller."""
    inside, doubts = mask_of(source, affines)
    for line in doubts:
        warnings.warn(line, stacklevel=3)
    return inside


def paths_of(source: Any) -> list[Path]:
    """Return the paths of a source that is made of files alone, else nothing."""
    many = list(source) if isinstance(source, list | tuple) else [source]
    return [Path(one) for one in many] if many and all(_is_path(one) for one in many) else []


def echoes_of(source: Any, affines: list[NDArray[np.float64]]) -> NDArray[np.float32]:
    """Return echoes (n_echoes, x, y, z): an array as it is, files one an echo or one with all of them."""
    many = list(source) if isinstance(source, list | tuple) else [source]
    if not any(_is_path(one) for one in many):
        return np.require(np.asarray(source), np.float32, ["C", "W"])
    if not all(_is_path(one) for one in many):
        raise InputError("echoes are given as paths and as arrays; give them all as one or the other")
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


def scan_of(
    given: Mapping[str, Any],
    mask: Any,
    *,
    voxel_size: Sequence[float] | None,
    b0_dir: Sequence[float] | None,
    b0: float | None,
    echo_times: Sequence[float],
) -> Scan:
    """Return the scan of `load_scan`; files alone are read as `qsmbench reconstruct` reads them, sidecars included.

    Args:
        given: volumes by name, None where there is none.
        mask: its mask.
        voxel_size, b0_dir, b0, echo_times: as for `load_scan`.

    Raises:
        InputError: as for `load_scan`.
    """
    import torch

    from qsmbench.core.scan import Scan

    files = {n: paths_of(source)[0] for n, source in given.items() if paths_of(source)}
    if voxel_size is None and paths_of(mask) and all(n in files for n, source in given.items() if source is not None):
        from qsmbench.data.scan_nifti import read_scan_and_notes

        scan, doubts, _ = read_scan_and_notes(
            files["local_field"],
            paths_of(mask)[0],
            magnitude=files.get("magnitude"),
            field_noise=files.get("field_noise"),
            b0_dir=b0_dir,
            b0=b0,
            echo_times=echo_times,
        )
    else:
        affines: list[NDArray[np.float64]] = []
        volumes = {n: torch.from_numpy(volume_of(source, affines)) for n, source in given.items() if source is not None}
        inside, doubts = mask_of(mask, affines)
        grid = grid_of(volumes["local_field"].shape, affines, voxel_size, b0_dir)
        scan = Scan(
            local_field=volumes["local_field"],
            mask=torch.from_numpy(inside),
            grid=grid,
            magnitude=volumes.get("magnitude"),
            field_noise=volumes.get("field_noise"),
            b0=b0,
            echo_times=tuple(echo_times),
        )
    for line in doubts:
        # Of `load_scan`'s caller.
        warnings.warn(line, stacklevel=3)
    return scan


def acquisition_of(
    phase: Any,
    magnitude: Any,
    mask: Any,
    settings: PhaseSettings,
    *,
    echo_times: Sequence[float],
    b0: float,
    voxel_size: Sequence[float] | None,
    b0_dir: Sequence[float] | None,
) -> tuple[Echoes, NDArray[np.bool_] | None, tuple[str, ...]]:
    """Return what `prepare` is given as echoes and mask, and what is doubtful about it, one line each.

    Files alone are read as `qsmbench prepare` reads them, sidecars included.

    Raises:
        InputError: as for `prepare`.
    """
    from qsmbench.preparation.echoes import Echoes
    from qsmbench.preparation.phase_units import to_radians

    phase_files, magnitude_files, mask_file = paths_of(phase), paths_of(magnitude), paths_of(mask)
    if phase_files and magnitude_files and voxel_size is None and (mask is None or mask_file):
        from qsmbench.preparation.loose_scan import load_files

        loaded = load_files(
            phase_files,
            magnitude_files,
            echo_times=echo_times,
            b0=b0,
            settings=settings,
            mask=next(iter(mask_file), None),
            b0_dir=b0_dir,
        )
        return loaded.echoes, loaded.mask, loaded.warnings
    affines: list[NDArray[np.float64]] = []
    radians, magnitudes = echoes_of(phase, affines), echoes_of(magnitude, affines)
    said: tuple[str, ...] = ()
    if phase_files or settings.scale is not None:
        scaled = to_radians(radians, "phase", settings.scale, magnitude=magnitudes)
        radians, said = scaled.phase, scaled.warnings
    if settings.flipped:
        radians = -radians
    grid = grid_of(radians.shape[1:], affines, voxel_size, b0_dir)
    inside, notes = (None, ()) if mask is None else mask_of(mask, affines)
    return Echoes(radians, magnitudes, grid, tuple(echo_times), b0), inside, (*said, *notes)
