"""Step 1: bring the heads that everything is made from into one folder.

<n>/chi.nii.gz (ppm)   <n>/mask.nii.gz   <n>/labels.nii.gz (0 where there are no labels)
<n>/magnitude.nii.gz (the head's own, or made from chi: simulation/magnitude.py)       for head n = 0, 1, ...
source.json            of each head: weight, origin, B0, hashes

Axes run to the patient's right, front and top as nearly as they can without interpolation, so that the recipe's z is
the same for all heads, and figures know left from right.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, io_orientation
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes

from qsmbench.config.model import ChallengeSource, MixtureSource, NiftiSource, PhantomSource
from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid, Triple
from qsmbench.core.seeds import generator_for
from qsmbench.data.atomic import write_json_atomic
from qsmbench.data.challenge2016 import challenge2016
from qsmbench.data.download import sha256_of
from qsmbench.data.layout import HEAD_FILES
from qsmbench.data.nifti import read_mask, read_volume, write_volume
from qsmbench.simulation.phantom import LABELS, head_phantom
from qsmbench.simulation.source import Heads, Source

# The challenge's headers are diagonal and say nothing. Its maps show the straight sinus at high y and the vertex at
# high z; x runs to the left if the array is not mirrored, as DICOM's are not.
_CHALLENGE_AXES = "LPS"


def make_source(spec: PhantomSource | ChallengeSource | NiftiSource | MixtureSource, out_dir: Path) -> None:
    """Write the source's folder.

    Raises:
        InputError: a file is missing or unusable, or the download failed.
    """
    heads = [(h.weight, h.head) for h in spec.heads] if isinstance(spec, MixtureSource) else [(1.0, spec)]
    about = []
    for number, (weight, head) in enumerate(heads):
        source, origin = _read(head)
        about.append({"weight": weight, "origin": origin} | _write(source, out_dir / str(number)))
    write_json_atomic(out_dir / "source.json", {"heads": about})


def _read(spec: PhantomSource | ChallengeSource | NiftiSource) -> tuple[Source, dict[str, Any]]:
    if isinstance(spec, PhantomSource):
        phantom = head_phantom(spec.seed)
        grid = Grid.from_affine(phantom.chi.shape, phantom.affine)
        names = {str(number): name for number, name in LABELS.items()}
        origin: dict[str, Any] = {"kind": spec.kind, "seed": spec.seed, "labels": names}
        return upright(Source(phantom.chi, phantom.mask, grid, phantom.labels, phantom.magnitude)), origin
    mask_path: Path | None
    b0_dir: Triple | None
    axes: str | None
    if isinstance(spec, ChallengeSource):
        files = challenge2016(spec.cache, archive=spec.archive)
        chi_path, mask_path, b0_dir, axes = files.chi_cosmos, files.mask, files.b0_dir, _CHALLENGE_AXES
        magnitude_path = files.magnitude
        origin = {"kind": spec.kind, "doi": "10.1002/mrm.26830"}
    else:
        chi_path, mask_path, b0_dir, axes = spec.chi, spec.mask, spec.b0_dir, spec.axes
        magnitude_path = spec.magnitude
        origin = {"kind": spec.kind, "file": chi_path.name}
    volume = read_volume(chi_path)
    mask = _filled(volume.data != 0) if mask_path is None else read_mask(mask_path, like=volume)
    origin["sha256"] = sha256_of(chi_path)
    chi = np.where(mask, volume.data, np.float32(0))
    if not chi.any():
        raise InputError(f"{chi_path} is zero everywhere inside its mask; give a susceptibility map in ppm")
    grid = Grid.from_affine(volume.data.shape, volume.affine, b0_dir)
    magnitude = None if magnitude_path is None else read_volume(magnitude_path, like=volume).data
    return upright(Source(chi, mask, grid, magnitude=magnitude), axes), origin


def upright(source: Source, axes: str | None = None) -> Source:
    """Turn a head by whole right angles so that x, y, z run to the patient's right, front and top (RAS).

    ``axes`` says to which side each axis runs where the affine does not know; the affine is then replaced.
    """
    matrix = source.grid.matrix
    if axes is not None:
        turn: Any = axcodes2ornt(axes)  # type: ignore[no-untyped-call]
        matrix = np.zeros((4, 4))
        for axis, (world, sign) in enumerate(turn):
            matrix[int(world), axis] = sign * source.grid.voxel_size[axis]
        matrix[3, 3] = 1.0
    turn = io_orientation(matrix)  # type: ignore[no-untyped-call]

    def turned(volume: Any) -> Any:
        return np.ascontiguousarray(apply_orientation(volume, turn))  # type: ignore[no-untyped-call]

    b0_dir = np.zeros(3)
    for axis, (world, sign) in enumerate(turn):
        b0_dir[int(world)] = sign * source.grid.b0_dir[axis]
    affine = matrix @ inv_ornt_aff(turn, source.grid.shape)  # type: ignore[no-untyped-call]
    chi = turned(source.chi)
    grid = Grid.from_affine(chi.shape, affine, (b0_dir + 0.0).tolist())
    labels, magnitude = (None if v is None else turned(v) for v in (source.labels, source.magnitude))
    return Source(chi, turned(source.mask), grid, labels, magnitude)


def _write(source: Source, folder: Path) -> dict[str, Any]:
    labels = np.zeros(source.grid.shape, np.int16) if source.labels is None else source.labels
    affine = source.grid.matrix
    write_volume(folder / "chi.nii.gz", source.chi, affine, "susceptibility, ppm")
    write_volume(folder / "mask.nii.gz", source.mask.astype(np.uint8), affine, "brain mask")
    write_volume(folder / "labels.nii.gz", labels, affine, "tissue labels")
    write_volume(folder / "magnitude.nii.gz", source.relative_magnitude, affine, "magnitude, 1 at its median")
    inside = source.chi[source.mask]
    return {
        "b0_dir": source.grid.b0_dir,
        "files": {name: sha256_of(folder / name) for name in HEAD_FILES},
        "chi_ppm": {"mean": float(inside.mean()), "sd": float(inside.std()), "n_voxels": int(inside.size)},
    }


def _filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    # Chi may be exactly zero at single voxels inside the brain; those are no holes in the mask.
    return np.asarray(binary_fill_holes(mask), bool)


def read_about(folder: Path) -> list[dict[str, Any]]:
    """What :func:`make_source` wrote about each head.

    Raises:
        InputError: there is no such folder.
    """
    path = folder / "source.json"
    try:
        heads: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["heads"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} does not describe a source ({error}); make it with 'qsmbench source'") from error
    return heads


def load_heads(folder: Path) -> Heads:
    """Read a folder that :func:`make_source` wrote."""
    about = read_about(folder)
    sources = tuple(_load(folder / str(number), head["b0_dir"]) for number, head in enumerate(about))
    return Heads(sources, tuple(head["weight"] for head in about))


def head_and_draws(heads: Heads, *, seed: int, name: str, number: int) -> tuple[int, np.random.Generator]:
    """Which head sample ``number`` drawn for the set ``name`` is made from, and the generator of all else it draws."""
    # A generator of its own: a mixture of one head gives the samples of that head alone.
    head = heads.choose(generator_for(seed, f"synthetic/{name}/head", number))
    return head, generator_for(seed, f"synthetic/{name}", number)


def _load(folder: Path, b0_dir: Triple) -> Source:
    volume = read_volume(folder / "chi.nii.gz")
    mask = read_mask(folder / "mask.nii.gz", like=volume)
    labels = read_volume(folder / "labels.nii.gz", like=volume).data.astype(np.int16)
    grid = Grid.from_affine(volume.data.shape, volume.affine, b0_dir)
    magnitude = read_volume(folder / "magnitude.nii.gz", like=volume).data
    return Source(volume.data, mask, grid, labels if labels.any() else None, magnitude)
