"""What goes into a foreign method's input folder, and what comes out of its output folder, checked."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.data.nifti import read_volume, write_volume
from qsmbench.foreign.manifest import STAGES, Manifest
from qsmbench.foreign.run import ForeignError, Limits, run_folder

# Fields and susceptibilities of tissue in ppm stay below; what is larger is in another unit.
_LARGEST_PPM = 20.0


def run_on_volumes(
    manifest: Manifest,
    volumes: Mapping[str, NDArray[Any]],
    grid: Grid,
    *,
    b0: float | None,
    echo_times: tuple[float, ...],
    runner: str,
    overrides: Mapping[str, Any],
    limits: Limits,
) -> NDArray[np.float32]:
    """Run a method on volumes by their names in the contract; return what its stage makes (x, y, z), ppm.

    Args:
        manifest: the method.
        volumes: (x, y, z), and with several echoes (x, y, z, echo).
        grid: of all of them.
        b0: main field, T, where it is known.
        echo_times: s.
        runner: of `RUNNERS`.
        overrides: values of parameters that it declares.
        limits: on time and memory.

    Raises:
        InputError: a volume that the method needs is missing, an override that it does not declare, it cannot start.
        ForeignError: it failed, or wrote nothing, another grid, non-finite values, only zeros or another unit.
    """
    needed, made = STAGES[manifest.stage]
    missing = [name for name in needed if name not in volumes]
    missing += ["magnitude"] if manifest.needs_magnitude and "magnitude" not in volumes else []
    if missing:
        raise InputError(
            f"{manifest.slug} needs {', '.join(missing)}, which this scan does not have; see docs/foreign.md"
        )
    unknown = sorted(set(overrides) - set(manifest.parameters)) if manifest.parameters else []
    if unknown:
        known = ", ".join(manifest.parameters)
        raise InputError(f"{manifest.slug} declares no parameter '{unknown[0]}'; known: {known}")
    optional = ["magnitude"] if manifest.wants_magnitude and "magnitude" in volumes else []
    wanted = dict.fromkeys([*needed, *optional])
    with tempfile.TemporaryDirectory(prefix="qsmbench-") as folder:
        inputs, outputs = Path(folder) / "input", Path(folder) / "output"
        inputs.mkdir()
        outputs.mkdir()
        for name in wanted:
            _write(inputs / f"{name}.nii.gz", np.asarray(volumes[name], np.float32), grid)
        params: dict[str, Any] = {"B0_dir": list(grid.b0_dir), "voxel_size": list(grid.voxel_size)}
        params |= {"TE": list(echo_times)} if echo_times else {}
        params |= {} if b0 is None else {"B0": b0}
        (inputs / "params.json").write_text(json.dumps(params), encoding="utf-8")
        if overrides:
            (inputs / "config.json").write_text(json.dumps(dict(overrides)), encoding="utf-8")
        run_folder(manifest, runner=runner, inputs=inputs, outputs=outputs, overrides=overrides, limits=limits)
        return checked_output(manifest, outputs / f"{made}.nii.gz", grid, np.asarray(volumes["mask"]) > 0)


def _write(path: Path, volume: NDArray[np.float32], grid: Grid) -> None:
    if volume.ndim == 3:
        write_volume(path, volume, grid.matrix, path.name.split(".")[0])
        return
    image: Any = nib.Nifti1Image(volume, grid.matrix)  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units(xyz="mm")
    image.to_filename(path)


def checked_output(manifest: Manifest, path: Path, grid: Grid, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Read a foreign method's output, zero outside the mask.

    Raises:
        ForeignError: it is not there, not NIfTI, on another grid, not finite, zero throughout, or in another unit.
    """
    slug = manifest.slug
    if not path.is_file():
        raise ForeignError(f"{slug} ended with status 0 but wrote no {path.name}")
    try:
        volume = read_volume(path, finite=False)
    except InputError as error:
        raise ForeignError(f"{slug} wrote a {path.name} that cannot be read: {error}") from error
    if volume.data.shape != grid.shape:
        raise ForeignError(f"{slug} wrote {_by(volume.data.shape)} voxels for {_by(grid.shape)}")
    if not np.allclose(volume.affine, grid.matrix, atol=1e-3):
        raise ForeignError(f"{slug} wrote another affine than its input has")
    inside = volume.data[mask]
    n_bad = int((~np.isfinite(inside)).sum())
    if n_bad:
        raise ForeignError(f"{slug} wrote {n_bad} non-finite voxels of {inside.size} inside the mask")
    if not inside.any():
        raise ForeignError(f"{slug} wrote zeros throughout the mask")
    largest = float(np.percentile(np.abs(inside), 99))
    if largest > _LARGEST_PPM:
        raise ForeignError(f"{slug} wrote values up to {largest:.3g}, too large for ppm; is it another unit?")
    return np.where(mask, volume.data, np.float32(0)).astype(np.float32)


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
