"""Bring the heads that everything is made from into one folder.

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

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid, Triple
from qsmbench.core.seeds import generator_for
from qsmbench.data.atomic import write_json_atomic
from qsmbench.data.download import sha256_of
from qsmbench.data.layout import HEAD_FILES
from qsmbench.data.nifti import read_mask, read_volume, write_volume
from qsmbench.heads.registry import AnySource, heads_of, read_head
from qsmbench.simulation.source import Heads, Source


def make_source(spec: AnySource, out_dir: Path) -> None:
    """Write the source's folder.

    Raises:
        InputError: a file is missing or unusable, or the download failed.
    """
    about = []
    for number, (weight, head) in enumerate(heads_of(spec)):
        source, origin = read_head(head)
        about.append({"weight": weight, "origin": origin} | _write(source, out_dir / str(number)))
    write_json_atomic(out_dir / "source.json", {"heads": about})


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
