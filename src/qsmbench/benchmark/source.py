"""Step 1: bring the head that everything is made from into one folder of NIfTI files.

chi.nii.gz (ppm)   mask.nii.gz   labels.nii.gz (0 where the source has no labels)   source.json (origin, B0, hashes)
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes

from qsmbench.config.model import ChallengeSource, NiftiSource, PhantomSource
from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid, Triple
from qsmbench.data.atomic import write_json_atomic
from qsmbench.data.challenge2016 import challenge2016
from qsmbench.data.download import sha256_of
from qsmbench.data.nifti import read_mask, read_volume, write_volume
from qsmbench.simulation.phantom import LABELS, head_phantom
from qsmbench.simulation.source import Source

FILES = ("chi.nii.gz", "mask.nii.gz", "labels.nii.gz", "source.json")


def make_source(spec: PhantomSource | ChallengeSource | NiftiSource, out_dir: Path) -> None:
    """Write the source's folder.

    Raises:
        InputError: a file is missing or unusable, or the download failed.
    """
    if isinstance(spec, PhantomSource):
        phantom = head_phantom(spec.seed)
        grid = Grid.from_affine(phantom.chi.shape, phantom.affine)
        names = {str(number): name for number, name in LABELS.items()}
        origin: dict[str, Any] = {"kind": spec.kind, "seed": spec.seed, "labels": names}
        _write(Source(phantom.chi, phantom.mask, grid, phantom.labels), origin, out_dir)
        return
    mask_path: Path | None
    b0_dir: Triple | None
    if isinstance(spec, ChallengeSource):
        files = challenge2016(spec.cache, archive=spec.archive)
        chi_path, mask_path, b0_dir = files.chi_cosmos, files.mask, files.b0_dir
        origin = {"kind": spec.kind, "doi": "10.1002/mrm.26830"}
    else:
        chi_path, mask_path, b0_dir = spec.chi, spec.mask, spec.b0_dir
        origin = {"kind": spec.kind, "file": chi_path.name}
    volume = read_volume(chi_path)
    mask = _filled(volume.data != 0) if mask_path is None else read_mask(mask_path, like=volume)
    origin["sha256"] = sha256_of(chi_path)
    chi = np.where(mask, volume.data, np.float32(0))
    if not chi.any():
        raise InputError(f"{chi_path} is zero everywhere inside its mask; give a susceptibility map in ppm")
    grid = Grid.from_affine(volume.data.shape, volume.affine, b0_dir)
    _write(Source(chi, mask, grid, None), origin, out_dir)


def _write(source: Source, origin: dict[str, Any], out_dir: Path) -> None:
    labels = np.zeros(source.grid.shape, np.int16) if source.labels is None else source.labels
    affine = source.grid.matrix
    write_volume(out_dir / "chi.nii.gz", source.chi, affine, "susceptibility, ppm")
    write_volume(out_dir / "mask.nii.gz", source.mask.astype(np.uint8), affine, "brain mask")
    write_volume(out_dir / "labels.nii.gz", labels, affine, "tissue labels")
    hashes = {name: sha256_of(out_dir / name) for name in FILES if name.endswith(".nii.gz")}
    inside = source.chi[source.mask]
    statistics = {"mean": float(inside.mean()), "sd": float(inside.std()), "n_voxels": int(inside.size)}
    write_json_atomic(
        out_dir / "source.json",
        {"origin": origin, "b0_dir": source.grid.b0_dir, "files": hashes, "chi_ppm": statistics},
    )


def _filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    # Chi may be exactly zero at single voxels inside the brain; those are no holes in the mask.
    return np.asarray(binary_fill_holes(mask), bool)


def load_source(folder: Path) -> Source:
    """Read a folder that :func:`make_source` wrote."""
    volume = read_volume(folder / "chi.nii.gz")
    mask = read_mask(folder / "mask.nii.gz", like=volume)
    about = json.loads((folder / "source.json").read_text(encoding="utf-8"))
    labels = read_volume(folder / "labels.nii.gz", like=volume).data.astype(np.int16)
    grid = Grid.from_affine(volume.data.shape, volume.affine, about["b0_dir"])
    return Source(volume.data, mask, grid, labels if labels.any() else None)
