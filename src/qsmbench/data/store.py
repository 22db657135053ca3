"""A synthetic set as one sharded Zarr v3 store, written shard by shard by independent jobs.

    <set>.zarr/                   dims (sample, x, y, z); opens with xarray.open_zarr
      chi, local_field            int16, scale_factor 1e-4, ppm; one sample a chunk, `samples_per_shard` a shard
      mask                        uint8, 1 inside the brain
      magnitude                   uint8, scale_factor 0.01, 1 at the tissue's median; zero throughout: none is kept
      field_noise                 uint16, scale_factor 1e-5, ppm, SD of the field's noise; zero throughout: not known
      voxel_size, b0_dir          float64 (sample, 3): mm; unit vector in voxel axes

A shard is a few files of its own (`qsmbench.data.layout`), so that jobs never touch a common file; each is written
whole and moved into place by Zarr. Steps of 1e-4 ppm leave a rounding error of 0.03 ppb, far below the 1 to 5 ppb of
noise in a measured field, at a quarter of float32's size; a value beyond what int16 holds (3.2767 ppm) is an error,
never clipped.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec
from zarr.errors import ZarrUserWarning

from qsmbench.core.damage import reading
from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid, Shape
from qsmbench.core.scan import Reference, Scan
from qsmbench.data.atomic import flush_to_disk
from qsmbench.data.layout import OPTIONAL, shard_files
from qsmbench.data.stored_arrays import open_group

STEP = 1e-4
_LIMIT = np.iinfo(np.int16).max
_VOLUMES = {
    "chi": ("magnetic susceptibility", "ppm", "int16"),
    "local_field": ("field of the tissue inside the head, relative to B0", "ppm", "int16"),
    "mask": ("brain mask", "1", "uint8"),
    "magnitude": ("magnitude of a gradient echo, relative to the tissue's median", "1", "uint8"),
    "field_noise": ("standard deviation of the field's noise", "ppm", "uint16"),
}
_STEPS = {"chi": STEP, "local_field": STEP, "magnitude": 1e-2, "field_noise": 1e-5}
_VECTORS = {
    "voxel_size": ("edge lengths of a voxel", "mm"),
    "b0_dir": ("direction of B0 in voxel axes", "1"),
}


@dataclass(frozen=True)
class StoredSample:
    """One sample as stored: what the simulation hands over."""

    chi: np.ndarray
    local_field: np.ndarray
    mask: np.ndarray
    voxel_size: tuple[float, float, float]
    b0_dir: tuple[float, float, float]
    magnitude: np.ndarray | None = None
    field_noise: np.ndarray | None = None


def create_store(path: Path, shape: Shape, n_samples: int, samples_per_shard: int, attributes: dict[str, Any]) -> None:
    """Write the metadata of a store (no sample yet); on an existing store only the metadata changes.

    Args:
        path: folder of the store.
        shape: of one sample.
        n_samples: in the whole set.
        samples_per_shard: in one shard.
        attributes: of the group: the recipe and what else describes the set.
    """
    path.mkdir(parents=True, exist_ok=True)
    group = zarr.open_group(path, mode="a", zarr_format=3)
    group.attrs.put(attributes)
    for name, (long_name, units, dtype) in _VOLUMES.items():
        extra: dict[str, Any] = {"scale_factor": _STEPS[name]} if name in _STEPS else {}
        _declare(
            path,
            name,
            shape=(n_samples, *shape),
            dtype=dtype,
            chunks=(1, *shape),
            shards=(samples_per_shard, *shape),
            dimension_names=("sample", "x", "y", "z"),
            attributes={"long_name": long_name, "units": units, **extra},
            # Level 1 takes half the time of level 3 for 3 % more bytes (docs/synthesis.md).
            compressors=BloscCodec(cname="zstd", clevel=1, shuffle="shuffle"),
        )
    for name, (long_name, units) in _VECTORS.items():
        _declare(
            path,
            name,
            shape=(n_samples, 3),
            dtype="float64",
            chunks=(samples_per_shard, 3),
            shards=None,
            dimension_names=("sample", "axis"),
            attributes={"long_name": long_name, "units": units},
            compressors=None,
        )
    with warnings.catch_warnings():
        # Zarr warns that consolidated metadata is not in the v3 specification yet; xarray warns where it is missing.
        warnings.simplefilter("ignore", ZarrUserWarning)
        zarr.consolidate_metadata(path, zarr_format=3)


def _declare(path: Path, name: str, **specification: Any) -> None:
    # Only the array's zarr.json is replaced: shards that are already there stay, so that a set can grow.
    (path / name / "zarr.json").unlink(missing_ok=True)
    zarr.create_array(path, name=name, fill_value=0, zarr_format=3, **specification)


def write_shard(path: Path, shard: int, samples: Iterable[StoredSample]) -> list[dict[str, str]]:
    """Write one whole shard; return, a dictionary a sample, the SHA-256 of what was stored of each variable.

    Raises:
        InputError: a value that int16 cannot hold, or another number of samples than the shard has.
    """
    group = zarr.open_group(path, mode="r+", zarr_format=3)
    chi = _array(group, "chi")
    n_samples = chi.shape[0]
    size = (chi.shards or chi.chunks)[0]
    start, stop = shard * size, min((shard + 1) * size, n_samples)
    if not start < stop:
        raise InputError(f"{path} has no shard {shard}: it holds {n_samples} samples in shards of {size}")
    for file in shard_files(shard):
        # What a killed job left beside its files.
        for left in (path / file).parent.glob(f"{Path(file).name}.*.partial"):
            left.unlink()
    shape = chi.shape[1:]
    buffers = {name: np.zeros((stop - start, *shape), dtype) for name, (_, _, dtype) in _VOLUMES.items()}
    vectors = {name: np.zeros((stop - start, 3)) for name in _VECTORS}
    n = 0
    for n, sample in enumerate(samples, start=1):
        where = f"sample {start + n - 1} of {path.name}"
        buffers["chi"][n - 1] = encode(sample.chi, f"chi of {where}")
        buffers["local_field"][n - 1] = encode(sample.local_field, f"local_field of {where}")
        buffers["mask"][n - 1] = sample.mask
        for name in OPTIONAL:
            volume = getattr(sample, name)
            if volume is not None:
                buffers[name][n - 1] = encode_bright(volume, name, f"{name} of {where}")
        vectors["voxel_size"][n - 1] = sample.voxel_size
        vectors["b0_dir"][n - 1] = sample.b0_dir
    if n != stop - start:
        raise InputError(f"shard {shard} of {path} takes {stop - start} samples, got {n}")
    contents = {**buffers, **vectors}
    for name, content in contents.items():
        # Zarr leaves out what is zero throughout; every shard has the same files, so that jobs can name them.
        with zarr.config.set({"array.write_empty_chunks": name in OPTIONAL}):
            _array(zarr.open_group(path, mode="r+", zarr_format=3), name)[start:stop] = content
    for file in shard_files(shard):
        flush_to_disk(path / file)
    return [{name: _sha256(content[i]) for name, content in contents.items()} for i in range(n)]


def encode(volume: np.ndarray, name: str) -> np.ndarray:
    """Round ppm to steps of 1e-4 in int16.

    Raises:
        InputError: a value that is not finite or beyond +-3.2767 ppm.
    """
    steps = np.divide(volume, STEP, dtype=np.float64)
    np.rint(steps, out=steps)
    # Not by Python's max(), which may lose a NaN.
    largest = float(np.maximum(steps.max(), -steps.min()))
    if not largest <= _LIMIT:
        raise InputError(f"{name} reaches {largest * STEP:.3g} ppm; the store holds {_LIMIT * STEP:.4f} ppm at most")
    encoded: np.ndarray = steps.astype(np.int16)
    return encoded


def encode_bright(volume: np.ndarray, name: str, where: str) -> np.ndarray:
    """Round what is not negative to its steps; brighter than the type holds (2.55 times the median) is cut there."""
    if not (np.isfinite(volume).all() and volume.min() >= 0):
        raise InputError(f"{where} is negative or not finite")
    dtype = np.dtype(_VOLUMES[name][2])
    steps = np.rint(np.divide(volume, _STEPS[name], dtype=np.float64))
    encoded: np.ndarray = np.minimum(steps, np.iinfo(dtype).max).astype(dtype)
    return encoded


def attributes(path: Path) -> dict[str, Any]:
    """Attributes of a store's group.

    Raises:
        InputError: the folder is no store.
    """
    if not (path / "zarr.json").is_file():
        raise InputError(f"{path} is not a Zarr store; make its metadata with create-set")
    with reading(path, "a Zarr store"):
        return zarr.open_group(path, mode="r", zarr_format=3).attrs.asdict()


class StoredSet:
    """A synthetic set, read sample by sample; decoding gives float32 ppm.

    Raises:
        InputError: the folder is no such store.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not (path / "zarr.json").is_file():
            raise InputError(f"{path} is not a Zarr store; make it with the synthetic rules")
        self.group = open_group(path)
        missing = [name for name in (*_VOLUMES, *_VECTORS) if name not in self.group and name not in OPTIONAL]
        if missing:
            raise InputError(f"{path} is not a synthetic set: it lacks {', '.join(missing)}")
        shape = _array(self.group, "mask").shape
        for name in (*_VOLUMES, *_VECTORS):
            expected = shape if name in _VOLUMES else (*shape[:1], 3)
            if name in self.group and (found := _array(self.group, name).shape) != expected:
                raise InputError(f"{path / name} has shape {found}, but the set's is {expected}; copy or make it again")

    def __len__(self) -> int:
        return int(_array(self.group, "mask").shape[0])

    def _decoded(self, name: str, index: int) -> np.ndarray:
        with reading(self.path / name, "a Zarr array"):
            stored = np.asarray(_array(self.group, name)[index])
        return (stored * np.float64(_STEPS[name])).astype(np.float32)

    def _optional(self, name: str, index: int) -> np.ndarray | None:
        if name not in self.group:
            return None
        volume = self._decoded(name, index)
        return volume if volume.any() else None

    def grid(self, index: int) -> Grid:
        """Geometry of one sample."""
        _, nx, ny, nz = _array(self.group, "mask").shape
        b0_dir = np.asarray(_array(self.group, "b0_dir")[index]).tolist()
        return Grid((nx, ny, nz), tuple(self._voxel_size(index).tolist()), tuple(b0_dir))

    def _voxel_size(self, index: int) -> np.ndarray:
        # Written after the volumes: where it is, they are. Zarr itself reads a missing shard as zeros.
        voxel_size = np.asarray(_array(self.group, "voxel_size")[index])
        if not voxel_size.any():
            raise InputError(f"{self.path} lacks sample {index}: its shard is not made yet; run the synthetic rules")
        return voxel_size

    def vectors(self) -> tuple[np.ndarray, np.ndarray]:
        """Voxel sizes and B0 directions of all samples, (sample, 3); zero where a shard is not made."""
        voxel_size, b0_dir = (np.asarray(_array(self.group, name)[:]) for name in _VECTORS)
        return voxel_size, b0_dir

    def mask(self, index: int) -> np.ndarray:
        """Brain mask of one sample (x, y, z), bool."""
        with reading(self.path / "mask", "a Zarr array"):
            return np.asarray(_array(self.group, "mask")[index]).astype(bool)

    def scan(self, index: int) -> Scan:
        """What a method may see of one sample; chi is not read."""
        field: Any = self._decoded("local_field", index)
        mask: Any = self.mask(index)
        magnitude, noise = (self._optional(name, index) for name in OPTIONAL)
        more: dict[str, Any] = {"magnitude": magnitude, "field_noise": noise}
        return Scan(local_field=field, mask=mask, grid=self.grid(index), **more)

    def reference(self, index: int) -> Reference:
        """The truth of one sample, zero outside the mask."""
        mask = self.mask(index)
        return Reference(np.where(mask, self._decoded("chi", index), np.float32(0)), mask, self.grid(index))

    def pair(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, Grid]:
        """Return local_field, chi (float32 ppm), mask (bool) and geometry of one sample, for training."""
        grid = self.grid(index)
        return self._decoded("local_field", index), self._decoded("chi", index), self.mask(index), grid


def _array(group: zarr.Group, name: str) -> zarr.Array[Any]:
    with reading(f"{group.store_path}/{name}", "a Zarr array"):
        array = group[name]
    assert isinstance(array, zarr.Array)
    return array


def _sha256(content: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(content).tobytes()).hexdigest()
