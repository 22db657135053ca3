"""Measured local fields and what came with them: found in a folder, checked, and kept as one BIDS derivative.

A folder holds one scan as plain files, or one folder a scan, or is itself a BIDS derivative:

    local_field.nii.gz  mask.nii.gz             and where there are: chi_<name>.nii.gz or reference.nii.gz (maps to
    magnitude.nii.gz    field_noise.nii.gz      score against, ppm), region.nii.gz or core.nii.gz (voxels to score on)

    sub-<label>/.../sub-<label>_desc-local_fieldmap.nii.gz  _desc-local_mask  _part-mag_desc-rss_T2starw
                    _desc-noise_fieldmap  _desc-<name>_Chimap or _Chimap  _desc-region_mask

Of several references ``chi_cosmos`` comes first, the others by name: tables rank by the first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid, Triple
from qsmbench.data.bids_write import write_map
from qsmbench.data.nifti import Volume, read_mask, read_volume
from qsmbench.data.prepared import OUTPUTS, PreparedScan
from qsmbench.data.sidecars import read_sidecar

REGION = "desc-region_mask"
_FIELD = f"_{OUTPUTS['local_field'][0]}"
_ENDINGS = (".nii.gz", ".nii")
# A local field of more is in Hz or rad, or was never freed of its background.
_MOST_PPM = 1.0


@dataclass(frozen=True)
class MeasuredFiles:
    """The files of one measured field.

    Attributes:
        name: label of the scan, letters and digits.
        local_field: NIfTI, ppm.
        mask: NIfTI, not zero where the field is known.
        references: maps in ppm by name, the one that tables rank by first; none where there is no truth.
        magnitude: NIfTI, any unit.
        field_noise: NIfTI, ppm.
        region: NIfTI, not zero where maps are scored; by default the mask.
        b0_dir: in voxel axes; by default the scanner's z axis through the affine.
        b0: T.
        echo_times: s.
    """

    name: str
    local_field: Path
    mask: Path
    references: Mapping[str, Path] = field(default_factory=dict)
    magnitude: Path | None = None
    field_noise: Path | None = None
    region: Path | None = None
    b0_dir: Triple | None = None
    b0: float | None = None
    echo_times: tuple[float, ...] = ()


def measured_files(folder: Path) -> list[MeasuredFiles]:
    """Find the measured fields of a folder; no volume is read.

    Raises:
        InputError: there is none, or a field has no mask.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; give one with local_field.nii.gz and mask.nii.gz")
    if _one_of(folder, "local_field") is not None:
        return [_plain(folder, label(folder.resolve().name))]
    fields = sorted(folder.glob(f"sub-*/**/*{_FIELD}.nii*"))
    if fields:
        return [_derivative(path) for path in fields]
    parts = sorted(path for path in folder.iterdir() if path.is_dir() and _one_of(path, "local_field") is not None)
    if not parts:
        raise InputError(f"{folder} holds no local_field.nii.gz, no folders with one, and no *{_FIELD}.nii.gz")
    return [_plain(path, label(path.name)) for path in parts]


def label(name: str) -> str:
    """A name as BIDS takes it.

    >>> label("chi_33"), label("sub-01")
    ('chi33', '01')
    """
    return re.sub(r"[^A-Za-z0-9]", "", name.removeprefix("sub-")) or "head"


def _plain(folder: Path, name: str) -> MeasuredFiles:
    found, mask = _one_of(folder, "local_field"), _one_of(folder, "mask")
    if found is None or mask is None:
        raise InputError(f"{folder} has no mask.nii.gz beside its local_field; give the voxels where it is known")
    maps = sorted(path for pattern in ("chi*", "reference*") for path in folder.glob(pattern) if _is_nifti(path))
    maps.sort(key=lambda path: _stem(path) != "chi_cosmos")
    return MeasuredFiles(
        name,
        found,
        mask,
        {_stem(path): path for path in maps},
        magnitude=_one_of(folder, "magnitude"),
        field_noise=_one_of(folder, "field_noise"),
        region=_one_of(folder, "region", "core"),
    )


def _derivative(path: Path) -> MeasuredFiles:
    prefix = path.name.split(_FIELD)[0]

    def beside(output: str) -> Path | None:
        return _one_of(path.parent, f"{prefix}_{OUTPUTS[output][0]}")

    mask = beside("local_mask") or beside("mask")
    if mask is None:
        raise InputError(f"{path} has no mask beside it: {prefix}_{OUTPUTS['local_mask'][0]}.nii.gz")
    about = read_sidecar(path)
    maps = sorted(p for p in path.parent.glob(f"{prefix}*_Chimap.nii*") if _is_nifti(p))
    named = {_stem(p).removeprefix(prefix).removesuffix("_Chimap").removeprefix("_desc-") or "chi": p for p in maps}
    first = [name for name in named if "cosmos" in name.lower()]
    b0_dir = about.get("B0_dir")
    return MeasuredFiles(
        label(prefix),
        path,
        mask,
        {name: named[name] for name in [*first, *(n for n in named if n not in first)]},
        magnitude=beside("magnitude"),
        field_noise=beside("field_noise"),
        region=_one_of(path.parent, f"{prefix}_{REGION}"),
        b0_dir=None if b0_dir is None else (float(b0_dir[0]), float(b0_dir[1]), float(b0_dir[2])),
        b0=about.get("MagneticFieldStrength"),
        echo_times=tuple(about.get("EchoTimes", ())),
    )


def _one_of(folder: Path, *names: str) -> Path | None:
    paths = (folder / f"{name}{ending}" for name in names for ending in _ENDINGS)
    return next((path for path in paths if path.is_file()), None)


def _is_nifti(path: Path) -> bool:
    return path.name.endswith(_ENDINGS)


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".nii")


def keep_measured(files: MeasuredFiles, folder: Path) -> PreparedScan:
    """Check one measured field and write it, with all that came with it, as a BIDS derivative.

    Raises:
        InputError: a file is missing or will not do, volumes are of different grids, the field is not in ppm or not
            finite in its mask, the region lies outside the mask.
    """
    volume = read_volume(files.local_field, finite=False)
    mask = read_mask(files.mask, like=volume)
    values = volume.data[mask]
    if not np.isfinite(values).all():
        raise InputError(f"{files.local_field} is not finite in {int((~np.isfinite(values)).sum())} voxels of its mask")
    if (spread := float(values.std())) > _MOST_PPM:
        raise InputError(
            f"{files.local_field} has a standard deviation of {spread:.3g} in its mask; a local field in ppm has some "
            "0.01: convert it from Hz or rad, and remove its background"
        )
    region = mask if files.region is None else read_mask(files.region, like=volume) & mask
    if not region.any():
        raise InputError(f"{files.region} has no voxel inside {files.mask}")
    grid = Grid.from_affine(mask.shape, volume.affine, files.b0_dir)
    scan = PreparedScan(folder, f"sub-{files.name}/anat/sub-{files.name}")
    outputs: dict[str, np.ndarray] = {
        "local_field": np.where(mask, volume.data, 0).astype(np.float32),
        "local_mask": mask.astype(np.uint8),
    }
    for name, path in (("magnitude", files.magnitude), ("field_noise", files.field_noise)):
        if path is not None:
            outputs[name] = _finite(path, volume)
    references = {
        label(name): (path, np.where(mask, _finite(path, volume), 0).astype(np.float32))
        for name, path in files.references.items()
    }
    for name, (path, chi) in references.items():
        write_map(
            reference_path(scan, name), chi, grid, {"Description": f"reference {name}", "Units": "ppm"} | _of(path)
        )
    write_map(_region_path(scan), region.astype(np.uint8), grid, {"Description": "where maps are scored"})
    about: dict[str, Any] = {
        "B0_dir": list(grid.b0_dir),
        # A list, since sidecars sort their keys.
        "References": [[name, _stem(path)] for name, (path, _) in references.items()],
    }
    about |= {} if files.b0 is None else {"MagneticFieldStrength": files.b0}
    about |= {"EchoTimes": list(files.echo_times)} if files.echo_times else {}
    sources = {"local_field": files.local_field, "local_mask": files.mask}
    sources |= {n: p for n, p in (("magnitude", files.magnitude), ("field_noise", files.field_noise)) if p is not None}
    # The field last: where it is, the rest is.
    for name in [n for n in outputs if n != "local_field"] + ["local_field"]:
        _, unit, text = OUTPUTS[name]
        extra = about if name == "local_field" else {}
        write_map(
            scan.path(name), outputs[name], grid, {"Description": text, "Units": unit} | _of(sources[name]) | extra
        )
    return scan


def reference_names(scan: PreparedScan) -> dict[str, str]:
    """The references of a kept scan: label of the file, and name as it came; the first is what tables rank by."""
    return dict(read_sidecar(scan.path("local_field")).get("References", ()))


def reference_path(scan: PreparedScan, name: str) -> Path:
    """Where a kept scan has one of its references."""
    return scan.folder / f"{scan.prefix}_desc-{name}_Chimap.nii.gz"


def scored_region(scan: PreparedScan) -> np.ndarray:
    """Voxels (x, y, z) of a kept scan on which maps are scored, bool."""
    return read_mask(_region_path(scan))


def _region_path(scan: PreparedScan) -> Path:
    return scan.folder / f"{scan.prefix}_{REGION}.nii.gz"


def _finite(path: Path, like: Volume) -> np.ndarray:
    return np.nan_to_num(read_volume(path, finite=False, like=like).data, posinf=0.0, neginf=0.0)


def _of(path: Path) -> dict[str, Any]:
    return {"Sources": [path.name]}
