"""The files of the source and of a synthetic set's Zarr store, by name alone: no Zarr is loaded, so rules can ask."""

import json
from pathlib import Path
from typing import Any

VOLUMES = ("chi", "local_field", "mask", "magnitude", "field_noise")
# Zero throughout where a set has none; stores of before version 0.2 lack them.
OPTIONAL = ("magnitude", "field_noise")
VECTORS = ("voxel_size", "b0_dir")

HEAD_FILES = ("chi.nii.gz", "mask.nii.gz", "labels.nii.gz", "magnitude.nii.gz")
INSPECTION_FILES = ("contact-sheet.png", "parameters.png", "samples.csv", "shapes.csv")
METADATA_FILES = ("zarr.json", *(f"{name}/zarr.json" for name in (*VOLUMES, *VECTORS)))


def shard_files(shard: int | str) -> list[str]:
    """Paths, relative to the store, of the files of one shard (a number, or a wildcard such as ``{shard}``).

    >>> shard_files(3)[0]
    'chi/c/3/0/0/0'
    """
    return [f"{name}/c/{shard}/0/0/0" for name in VOLUMES] + [f"{name}/c/{shard}/0" for name in VECTORS]


def source_files(n_heads: int) -> list[str]:
    """Paths, relative to the source's folder, of the files of ``n_heads`` heads.

    >>> source_files(1)
    ['0/chi.nii.gz', '0/mask.nii.gz', '0/labels.nii.gz', '0/magnitude.nii.gz', 'source.json']
    """
    return [f"{head}/{name}" for head in range(n_heads) for name in HEAD_FILES] + ["source.json"]


def is_described_by(store: str | Path, attributes: dict[str, Any], samples_per_shard: int) -> bool:
    """Whether the metadata of a store, if there is one, say these attributes and this size of shards."""
    group, chi = (Path(store) / name for name in ("zarr.json", "chi/zarr.json"))
    if not (group.is_file() and chi.is_file()):
        return True
    found = json.loads(group.read_text(encoding="utf-8")).get("attributes", {})
    size = json.loads(chi.read_text(encoding="utf-8"))["chunk_grid"]["configuration"]["chunk_shape"][0]
    return size == samples_per_shard and all(found.get(key) == value for key, value in attributes.items())
