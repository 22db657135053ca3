"""A method's maps of scans of one shape in one Zarr store: chi (sample, x, y, z), NaN where the method failed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec

from qsmbench.core.damage import reading
from qsmbench.core.errors import InputError
from qsmbench.core.grid import Shape
from qsmbench.data.stored_arrays import open_array


def map_store(folder: Path) -> Path:
    """Where the maps of a folder lie."""
    return folder / "maps.zarr"


def create_volumes(
    store: Path, name: str, n: int, shape: Shape, dtype: str, *, long_name: str, units: str, **more: Any
) -> Any:
    """Create an array (sample, x, y, z), a volume a chunk, in a store made anew.

    Args:
        store: Zarr folder.
        name: of the array.
        n: number of volumes.
        shape: of one.
        dtype: of the voxels; floats are NaN and integers 0 until they are written.
        long_name: what it is.
        units: of the voxels.
        more: attributes of the group.
    """
    zarr.open_group(store, mode="w", zarr_format=3, attributes=more)
    return zarr.create_array(
        store,
        name=name,
        shape=(n, *shape),
        dtype=dtype,
        chunks=(1, *shape),
        fill_value=np.nan if dtype.startswith("float") else 0,
        zarr_format=3,
        dimension_names=("sample", "x", "y", "z"),
        attributes={"long_name": long_name, "units": units},
        compressors=BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"),
    )


def create_maps(folder: Path, n: int, shape: Shape, attributes: Mapping[str, Any]) -> None:
    """Create an empty store of maps."""
    name = "reconstructed magnetic susceptibility"
    create_volumes(map_store(folder), "chi", n, shape, "float32", long_name=name, units="ppm", **attributes)


def write_map(folder: Path, index: int, chi: np.ndarray) -> None:
    """Write one map."""
    zarr.open_array(map_store(folder) / "chi", mode="r+", zarr_format=3)[index] = chi


def read_map(folder: Path, index: int, shape: Shape) -> np.ndarray | None:
    """Read one map; None where it holds no number.

    Raises:
        InputError: no store, or maps of another shape than the scans.
    """
    if not map_store(folder).is_dir():
        raise InputError(f"no Zarr store of maps at {map_store(folder)}; reconstruct first")
    maps = open_array(map_store(folder) / "chi")
    if maps.shape[1:] != shape:
        raise InputError(f"{folder} holds chi of shape {maps.shape[1:]}, but the scans are {shape}; reconstruct again")
    with reading(map_store(folder) / "chi", "a Zarr array"):
        chi = np.asarray(maps[index])
    return chi if np.isfinite(chi).any() else None
