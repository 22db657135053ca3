"""What every background removal is given and gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from qsmbench.core.grid import Grid


class RemovalError(RuntimeError):
    """A removal that is somebody else's failed on this scan."""


@dataclass(frozen=True, eq=False)
class Total:
    """A field with sources inside and outside the mask.

    Attributes:
        field: (x, y, z) float32, ppm, zero outside the mask.
        mask: (x, y, z) bool.
        grid: geometry; its B0 direction matters to PDF alone.
        noise: (x, y, z) float32, standard deviation of the field, ppm, or None: equal everywhere.
        magnitude: (x, y, z) float32, arbitrary unit, or None.
        b0: main field, T, or None.
        echo_times: s; empty where they are not known.
    """

    field: torch.Tensor
    mask: torch.Tensor
    grid: Grid
    noise: torch.Tensor | None = None
    magnitude: torch.Tensor | None = None
    b0: float | None = None
    echo_times: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Local:
    """What is left, and where it holds.

    Attributes:
        field: (x, y, z) float32, ppm, zero outside ``mask``.
        mask: (x, y, z) bool, the part of the mask on which the local field is known.
        report: what was done, for the sidecar: iterations, residual, and the like.
    """

    field: torch.Tensor
    mask: torch.Tensor
    report: Mapping[str, float | int | str]
