"""The files of a synthetic set's Zarr store, by name alone: no Zarr is loaded, so the workflow can ask quickly."""

VOLUMES = ("chi", "local_field", "mask")
VECTORS = ("voxel_size", "b0_dir")

METADATA_FILES = ("zarr.json", *(f"{name}/zarr.json" for name in (*VOLUMES, *VECTORS)))


def shard_files(shard: int | str) -> list[str]:
    """Paths, relative to the store, of the files of one shard (a number, or a wildcard such as ``{shard}``).

    >>> shard_files(3)[0]
    'chi/c/3/0/0/0'
    """
    return [f"{name}/c/{shard}/0/0/0" for name in VOLUMES] + [f"{name}/c/{shard}/0" for name in VECTORS]
