"""How volumes and voxel sizes are brought to a network's range, and what that range was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Triple


@dataclass(frozen=True)
class Scaling:
    """Measured on a training set, kept with the weights.

    Attributes:
        field_std: standard deviation of the local field inside the masks of the training set, ppm.
        chi_std: the same of chi.
        voxel_centre: middle of the trained range of log(voxel size / mm), three values.
        voxel_halfwidth: half its width; 0 where the range is a point.
        by_scan: whether a field is divided by its own robust size (`robust_scale`) and not by ``field_std``, and chi
            by that size times ``chi_std / field_std``, so that a field of twice the size gives twice the map.
    """

    field_std: float
    chi_std: float
    voxel_centre: Triple
    voxel_halfwidth: Triple
    by_scan: bool = False

    def units(self, field: torch.Tensor, mask: torch.Tensor) -> tuple[float, float]:
        """What a local field (x, y, z) and its chi are divided by, ppm."""
        if not self.by_scan:
            return self.field_std, self.chi_std
        size = float(robust_scale(field, mask))
        return size, size * self.chi_std / self.field_std

    def voxel_size(self, voxel_size: torch.Tensor) -> torch.Tensor:
        """Normalise voxel sizes (..., 3) in mm to [-1, 1] over the trained range, on a logarithmic scale.

        Raises:
            InputError: a size that is not positive (an unset condition, most likely).
        """
        if not bool((voxel_size > 0).all()):
            raise InputError(f"voxel sizes must be positive lengths in mm, got {voxel_size.tolist()}")
        centre, halfwidth = (
            torch.tensor(v, dtype=torch.float32, device=voxel_size.device)
            for v in (self.voxel_centre, self.voxel_halfwidth)
        )
        # A set of one resolution has no range: dividing by 1 leaves its normalised voxel size at zero.
        return (voxel_size.to(torch.float32).log() - centre) / torch.where(halfwidth > 0, halfwidth, 1.0)

    @property
    def trained_range(self) -> tuple[Triple, Triple]:
        """Smallest and largest trained voxel sizes, mm."""
        low, high = (
            np.exp(np.array(self.voxel_centre) + sign * np.array(self.voxel_halfwidth)).tolist() for sign in (-1, 1)
        )
        return (low[0], low[1], low[2]), (high[0], high[1], high[2])

    @property
    def typical_voxel_size(self) -> Triple:
        """The geometric middle of the trained range, mm: the resolution of a network that knows one."""
        x, y, z = np.exp(self.voxel_centre).tolist()
        return (x, y, z)

    def outside(self, voxel_size: Triple, tolerance: float = 0.01) -> list[str]:
        """Name the axes along which a voxel size lies outside the trained range, as texts."""
        low, high = self.trained_range
        return [
            f"{v:.3g} mm along {axis} (trained: {a:.3g} to {b:.3g} mm)"
            for axis, v, a, b in zip("xyz", voxel_size, low, high, strict=True)
            if not a * (1 - tolerance) <= v <= b * (1 + tolerance)
        ]


def robust_scale(field: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Median of |field| (x, y, z) inside the mask over that of a normal distribution of SD 1; never zero.

    The median is of tissue, whatever strong sources there are.
    """
    inside = field[mask].abs()
    if inside.numel() == 0:
        return torch.ones((), device=field.device)
    return (inside.median() / 0.6745).clamp_min(1e-6)
