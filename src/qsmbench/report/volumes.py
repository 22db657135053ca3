"""Reading one subject of a set with every method's chi, sample by sample, from Zarr.

A set is a store that `xarray.open_zarr` opens: dims (sample, x, y, z); chi, local_field, mask, voxel_size (sample, 3).
A method's store has chi (sample, x, y, z) in ppm, NaN throughout where the reconstruction failed. A set without a
reference has no chi.

The group's attribute `axis_codes` ("RAS": towards which side of the patient each voxel axis runs, as nibabel names
them) is what left and right are drawn from. Where it is absent the figures say that sides are not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import xarray as xr
from nibabel.orientations import apply_orientation

from qsmbench.core.errors import InputError


@dataclass(frozen=True)
class Subject:
    """One subject's volumes.

    Attributes:
        name: as in the scores.
        voxel_size: mm.
        local_field: (x, y, z), ppm.
        mask: (x, y, z), bool.
        chi_ref: (x, y, z), ppm; None where there is no reference.
        estimates: method to chi (x, y, z) in ppm; None where the reconstruction failed.
        oriented: whether the axes are right-anterior-superior of the patient (else: of the array, sides unknown).
        b0_dir: direction of B0 in the voxel axes as they are here.
    """

    name: str
    voxel_size: tuple[float, float, float]
    local_field: np.ndarray
    mask: np.ndarray
    chi_ref: np.ndarray | None
    estimates: Mapping[str, np.ndarray | None]
    oriented: bool
    b0_dir: tuple[float, float, float] = (0.0, 0.0, 1.0)


class Subjects(Protocol):
    """Subjects that are read one by one."""

    def __len__(self) -> int: ...

    def read(self, index: int) -> Subject:
        """Read one."""
        ...


class SetVolumes:
    """The stores of one set, opened and not read.

    Args:
        store: of the set.
        reconstructions: method to its store.

    Raises:
        InputError: a store that is not there, lacks a variable, or has another shape than the set.
    """

    def __init__(self, store: Path, reconstructions: Mapping[str, Path]) -> None:
        self.data = _open(store, ("local_field", "mask", "voxel_size"))
        self.estimates = {name: _open(path, ("chi",)) for name, path in reconstructions.items()}
        for name, data in self.estimates.items():
            if data["chi"].shape != self.data["mask"].shape:
                raise InputError(
                    f"{reconstructions[name]} holds chi of shape {data['chi'].shape}, but the set {store} is "
                    f"{self.data['mask'].shape}; reconstruct again"
                )
        self.axis_codes = self.data.attrs.get("axis_codes")

    def __len__(self) -> int:
        return int(self.data.sizes["sample"])

    def name(self, index: int) -> str:
        """Name of a sample: its `subject` or `sample` coordinate where the store has one, else its number."""
        for coordinate in ("subject", "sample"):
            if coordinate in self.data:
                return str(self.data[coordinate].values[index])
        return str(index)

    def voxel_sizes(self) -> dict[int, tuple[float, ...]]:
        """Voxel size (x, y, z) of every sample, mm."""
        sizes = self.data["voxel_size"].to_numpy()
        return {i: tuple(float(v) for v in row) for i, row in enumerate(sizes)}

    def read(self, index: int) -> Subject:
        """Read one sample, turned to right-anterior-superior where the store says how it lies."""
        sample = self.data.isel(sample=index)
        mask = sample["mask"].to_numpy().astype(bool)
        sizes = tuple(float(v) for v in sample["voxel_size"].to_numpy())
        turn, sizes = reorientation(self.axis_codes, sizes)
        estimates: dict[str, np.ndarray | None] = {}
        for name, data in self.estimates.items():
            chi = data["chi"].isel(sample=index).to_numpy()
            # NaN beyond the mask is no failure; a map with none inside it is.
            estimates[name] = turned(chi, turn) if np.isfinite(chi[mask]).any() else None
        return Subject(
            name=self.name(index),
            voxel_size=sizes,
            local_field=turned(sample["local_field"].to_numpy(), turn),
            mask=turned(mask, turn),
            chi_ref=turned(sample["chi"].to_numpy(), turn) if "chi" in sample else None,
            estimates=estimates,
            oriented=self.axis_codes is not None,
            b0_dir=_turned_vector(sample["b0_dir"].to_numpy(), turn) if "b0_dir" in sample else (0.0, 0.0, 1.0),
        )


def _open(path: Path, variables: tuple[str, ...]) -> xr.Dataset:
    try:
        # Arrays are found by listing the folder: consolidated metadata is not in the Zarr v3 specification.
        data: xr.Dataset = xr.open_zarr(path, consolidated=False, chunks=None)
    except FileNotFoundError as error:
        raise InputError(f"no Zarr store at {path}; run the step that makes it first") from error
    missing = [name for name in variables if name not in data]
    if missing:
        raise InputError(
            f"{path} lacks {', '.join(missing)}; it holds {', '.join(map(str, data.data_vars)) or 'nothing'}"
        )
    return data


def reorientation(
    codes: str | None, voxel_size: tuple[float, ...]
) -> tuple[np.ndarray | None, tuple[float, float, float]]:
    """Nibabel's orientation array for these codes (voxel axis to patient axis and sign), and the sizes it leads to."""
    x, y, z = voxel_size
    if codes is None:
        return None, (x, y, z)
    pairs = (("L", "R"), ("P", "A"), ("I", "S"))
    axes = [i for code in codes for i, pair in enumerate(pairs) if code in pair]
    if len(codes) != 3 or sorted(axes) != [0, 1, 2]:
        raise InputError(f"axis_codes '{codes}' are no orientation; write three letters like RAS or LPS")
    signs = [1 if code == pairs[axis][1] else -1 for code, axis in zip(codes, axes, strict=True)]
    sizes = dict(zip(axes, voxel_size, strict=True))
    return np.array(list(zip(axes, signs, strict=True))), (sizes[0], sizes[1], sizes[2])


def turned(volume: np.ndarray, turn: np.ndarray | None) -> np.ndarray:
    """Turn a volume as :func:`reorientation` says."""
    return volume if turn is None else np.asarray(apply_orientation(volume, turn))  # type: ignore[no-untyped-call]


def _turned_vector(vector: np.ndarray, turn: np.ndarray | None) -> tuple[float, float, float]:
    values = [float(v) for v in vector]
    if turn is not None:
        turned = {int(axis): float(sign) * value for (axis, sign), value in zip(turn, values, strict=True)}
        values = [turned[axis] for axis in range(3)]
    return values[0], values[1], values[2]
