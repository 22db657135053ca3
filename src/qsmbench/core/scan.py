"""What a reconstruction method may see (`Scan`), and what only the evaluation may (`Reference`)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import ArrayLike

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid


@dataclass(frozen=True, eq=False)
class Earlier:
    """What a scan's local field was made from, for methods that begin before it; on the scan's grid, zero outside mask.

    Attributes:
        mask: (x, y, z) bool, where the total field is known, not yet eroded by background removal.
        total_field: (x, y, z) float32, ppm.
        phase: (echo, x, y, z) float32, rad, wrapped, paramagnetic positive, everywhere; None where only fields are.
        magnitude: (echo, x, y, z) float32, arbitrary unit, everywhere; None likewise.
    """

    mask: np.ndarray
    total_field: np.ndarray
    phase: np.ndarray | None = None
    magnitude: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Scan:
    """One acquisition, prepared: everything a method may use, and never the truth.

    All tensors lie on one device; a method computes where they are.

    Attributes:
        local_field: (x, y, z) float32, field of the tissue inside the mask, ppm, zero outside the mask.
        mask: (x, y, z) bool.
        grid: the geometry of all volumes.
        magnitude: (x, y, z) float32, arbitrary unit, or None.
        field_noise: (x, y, z) float32, standard deviation of the field, ppm, or None.
        b0: main field in T, or None where it is not known.
        echo_times: in s; empty where they are not known.
        earlier: what the local field was made from, given to methods that ask for it, in the memory of the CPU.

    Raises:
        InputError: volumes of different shapes, a non-finite value inside the mask, an empty mask, a negative magnitude
            or noise, a B0 or echo time that is not positive (or looks like ms).
    """

    local_field: torch.Tensor
    mask: torch.Tensor
    grid: Grid
    magnitude: torch.Tensor | None = None
    field_noise: torch.Tensor | None = None
    b0: float | None = None
    echo_times: tuple[float, ...] = ()
    earlier: Earlier | None = None

    def __post_init__(self) -> None:
        mask = _tensor(self.mask).bool()
        self.grid.check_shape("mask", mask.shape)
        if not mask.any():
            raise InputError("mask is empty: no voxel is inside; check its threshold or its file")
        object.__setattr__(self, "mask", mask)
        for name in ("local_field", "magnitude", "field_noise"):
            value = getattr(self, name)
            if value is None:
                continue
            volume = _tensor(value).to(mask.device, torch.float32)
            self.grid.check_shape(name, volume.shape)
            n_bad = int((~torch.isfinite(volume) & mask).sum())
            if n_bad:
                raise InputError(
                    f"{name} has {n_bad} non-finite voxels (NaN or infinite) of {int(mask.sum())} inside the mask; "
                    "repair it or take them out of the mask"
                )
            if name != "local_field" and bool((volume[mask] < 0).any()):
                raise InputError(f"{name} is negative inside the mask")
            # Field outside the mask is no data, nor is NaN anywhere; zeroing here keeps both out of every method alike.
            kept = mask if name == "local_field" else torch.isfinite(volume)
            object.__setattr__(self, name, torch.where(kept, volume, 0.0))
        if self.b0 is not None and not 0 < self.b0 < 50:
            raise InputError(f"B0 must be a field strength in tesla, got {self.b0}")
        if any(not 0 < t < 1 for t in self.echo_times):
            raise InputError(f"echo times must be in seconds, between 0 and 1, got {list(self.echo_times)}")

    def __repr__(self) -> str:
        grid = self.grid
        shape, size = "x".join(map(str, grid.shape)), "x".join(f"{v:g}" for v in grid.voxel_size)
        b0 = ("" if self.b0 is None else f" {self.b0:g} T") + f" along ({', '.join(f'{b:.3g}' for b in grid.b0_dir)})"
        inside = self.local_field[self.mask]
        beside = [name.replace("_", " ") for name in ("magnitude", "field_noise") if getattr(self, name) is not None]
        return (
            f"<Scan: {shape} voxels of {size} mm, B0{b0}, {inside.numel()} voxels inside, local field of SD "
            f"{1000 * float(inside.std(correction=0)):.1f} ppb{''.join(f', {name}' for name in beside)}>"
        )

    @property
    def device(self) -> torch.device:
        """The device that holds the volumes and on which methods compute."""
        return self.mask.device

    def to(self, device: str | torch.device) -> Scan:
        """Return the scan with its volumes on ``device``."""
        return replace(
            self,
            local_field=self.local_field.to(device),
            mask=self.mask.to(device),
            magnitude=None if self.magnitude is None else self.magnitude.to(device),
            field_noise=None if self.field_noise is None else self.field_noise.to(device),
        )


@dataclass(frozen=True, eq=False)
class Reference:
    """The true susceptibility of a scan; only the evaluation opens it.

    Attributes:
        chi: (x, y, z) float32 array, ppm.
        mask: (x, y, z) bool array on which every method is scored.
        grid: the geometry.
        extent: (x, y, z) bool array of what a map should cover, where the mask is only that part of it that the field
            is known in; coverage is a share of it. None: the mask itself.
    """

    chi: np.ndarray
    mask: np.ndarray
    grid: Grid
    extent: np.ndarray | None = None

    def __post_init__(self) -> None:
        self.grid.check_shape("reference chi", self.chi.shape)
        self.grid.check_shape("reference mask", self.mask.shape)
        if self.extent is not None:
            self.grid.check_shape("reference's extent", self.extent.shape)


def _tensor(value: torch.Tensor | ArrayLike) -> torch.Tensor:
    return value if isinstance(value, torch.Tensor) else torch.from_numpy(_native(value))


def _native(value: ArrayLike) -> np.ndarray:
    # A copy where it must be: torch takes neither foreign byte orders nor read-only memory.
    array = np.asarray(value)
    return np.require(array, array.dtype.newbyteorder("="), ["C", "W"])
