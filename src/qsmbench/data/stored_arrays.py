"""Zarr stores and Parquet tables as anybody may have sent them: what they claim is looked at before they are opened.

A store is Zarr v3 with numbers in it, packed by codecs that compute and never by ones that hold objects; what one read
brings into memory has a limit, whatever shape the metadata claim. https://zarr-specs.readthedocs.io (v3.1).
"""

from __future__ import annotations

import json
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qsmbench.core.damage import reading, reason, shown
from qsmbench.core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    import zarr

_TYPES = {f"{kind}{bits}": bits // 8 for kind in ("int", "uint") for bits in (8, 16, 32, 64)}
_TYPES |= {"float32": 4, "float64": 8, "bool": 1}
_CODECS = {"bytes", "blosc", "zstd", "gzip", "crc32c", "transpose", "sharding_indexed"}
_MOST_METADATA = 1 << 20
# One volume of 1024^3 float32 is 4 GiB.
MOST_VOLUME_BYTES = 8 << 30
MOST_SAMPLES = 10_000_000
# Of a table: the paper's 100 samples, 20 methods, 15 metrics in 30 regions are 900,000 rows.
MOST_ROWS = 50_000_000
MOST_TABLE_BYTES = 8 << 30


def open_array(path: Path, mode: Any = "r") -> zarr.Array[Any]:
    """Open one array of a store.

    Raises:
        InputError: not there, damaged, or nothing that we wrote (`check_array`).
    """
    import zarr

    from qsmbench.data.checked_blosc import check_blosc

    check_array(path)
    check_blosc()
    with reading(path, "a Zarr array"), np.errstate(all="ignore"):
        return zarr.open_array(path, mode=mode, zarr_format=3)


def open_group(path: Path, mode: Any = "r") -> zarr.Group:
    """Open a store, its arrays checked.

    Raises:
        InputError: not there, damaged, or with an array that `check_array` refuses.
    """
    import zarr

    from qsmbench.data.checked_blosc import check_blosc

    check_blosc()
    metadata = _metadata(path)
    if metadata.get("node_type") != "group":
        raise InputError(f"{shown(path)} is no group of Zarr arrays; make it again")
    arrays = sorted(array.parent for array in path.glob("*/zarr.json"))
    for array in arrays:
        check_array(array)
    with reading(path, "a Zarr store"), np.errstate(all="ignore"):
        # Metadata of the whole, consolidated, would speak for files that nobody checked.
        group = zarr.open_group(path, mode=mode, zarr_format=3, use_consolidated=False)
        # Their metadata are read again when they are asked for; what is wrong with them is said here.
        for array in arrays:
            _ = group[array.name]
    return group


def check_array(path: Path) -> None:
    """Look at an array's metadata alone.

    Raises:
        InputError: no Zarr v3 array of numbers, a codec that is not among ours, or a volume beyond the limits.
    """
    about = _metadata(path)
    name = shown(path)
    if about.get("node_type") != "array":
        raise InputError(f"{name} is no Zarr array; make it again")
    dtype = about.get("data_type")
    size = _TYPES.get(dtype) if isinstance(dtype, str) else None
    if size is None:
        raise InputError(f"{name} holds {shown(str(dtype))[:60]}, not numbers; nothing of it was read")
    shape = _lengths(about.get("shape"))
    grid = about.get("chunk_grid")
    chunk = _lengths(_chunk_shape(grid))
    if shape is None or chunk is None or len(chunk) != len(shape) or 0 in chunk:
        raise InputError(f"{name} has a shape or chunks that are none; copy or make it again")
    chunk = _check_codecs(about.get("codecs"), chunk, name)
    if shape and (shape[0] > MOST_SAMPLES or size * max(prod(shape[1:]), prod(chunk)) > MOST_VOLUME_BYTES):
        claimed = "x".join(map(str, shape))[:80]
        raise InputError(f"{name} claims {claimed} values, more than can be read at a time; copy or make it again")


def _chunk_shape(grid: Any) -> Any:
    """What a chunk grid, or the configuration of shards, gives as the shape of its chunks."""
    about = grid.get("configuration") if isinstance(grid, dict) and grid.get("name") == "regular" else None
    return about.get("chunk_shape") if isinstance(about, dict) else None


def _check_codecs(codecs: Any, chunk: list[int], name: str, depth: int = 0) -> list[int]:
    """Return the shape of what is unpacked in one piece: of shards their inner chunks."""
    if not isinstance(codecs, list) or depth > 2:
        raise InputError(f"{name} has codecs that are none; copy or make it again")
    for codec in codecs:
        kind = codec.get("name") if isinstance(codec, dict) else None
        if not isinstance(kind, str) or kind not in _CODECS:
            raise InputError(f"{name} is packed by '{shown(str(kind))[:60]}', which is not opened; known: "
                             f"{', '.join(sorted(_CODECS))}")  # fmt: skip
        if kind == "sharding_indexed":
            inside = codec.get("configuration")
            inner = _lengths(inside.get("chunk_shape")) if isinstance(inside, dict) else None
            if inner is None or len(inner) != len(chunk) or 0 in inner:
                raise InputError(f"{name} has shards that are none; copy or make it again")
            chunk = _check_codecs(inside.get("codecs"), inner, name, depth + 1)
    return chunk


def _lengths(value: Any) -> list[int] | None:
    if not isinstance(value, list) or not 0 < len(value) <= 6:
        return None
    return value if all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in value) else None


def _metadata(path: Path) -> dict[str, Any]:
    file = path / "zarr.json"
    try:
        size = file.stat().st_size
    except OSError as error:
        raise InputError(f"no Zarr store at {shown(path)} ({reason(error)}); make it again") from error
    if size > _MOST_METADATA * (20 if path.suffix == ".zarr" else 1):
        raise InputError(f"{shown(file)} has {size} bytes, too many for metadata; copy or make it again")
    with reading(file, "Zarr metadata"):
        content = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or content.get("zarr_format") != 3:
        raise InputError(f"{shown(file)} is no metadata of Zarr v3; make it again")
    return content


def read_table(path: Path) -> pd.DataFrame:
    """Read a Parquet table.

    Raises:
        InputError: not there, damaged, or larger than a table of scores can be.
    """
    with reading(path, "a Parquet file"):
        import pandas as pd
        import pyarrow.parquet as pq

        with pq.ParquetFile(path) as file:
            about = file.metadata
            unpacked = sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups))
            if about.num_rows * about.num_columns > MOST_ROWS * 14 or unpacked > MOST_TABLE_BYTES:
                text = f"{about.num_rows} rows, {unpacked / 1e9:.1f} GB"
                raise InputError(f"{shown(path)} claims {text}: too large for a table of scores; make it again")
        return pd.read_parquet(path)
