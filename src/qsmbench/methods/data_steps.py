"""The voxelwise half of a splitting: the field z that fits the data and stays near the prediction v = d*x + s.

    z = argmin  data(z) + mu/2 (z - v)^2,   s <- v - z

with data(z) = w/2 (z - f)^2 (linear), w/2 |exp(iz) - exp(if)|^2 = w (1 - cos(z - f)) (nonlinear; Milovic 2018, doi
10.1002/mrm.27073) or w |z - f| (absolute; Milovic 2022, doi 10.1002/mrm.28957), f and z in radians. Where w is zero, z
is v and the multiplier s stays zero: nothing is known of the field there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch

from qsmbench.core.scan import Scan
from qsmbench.methods.fast_box import FastBox, fast_box
from qsmbench.methods.medi_weights import data_weights

# (v, mu) -> z, a new tensor.
DataStep: TypeAlias = "Callable[[torch.Tensor, float], torch.Tensor]"

# Of the nonlinear equation; its error falls by w (1 - cos r) / (w + mu) a step, 16-fold for r = 0.5 rad and w = mu.
_INNER_STEPS = 5


def in_radians(scan: Scan, scale: float, padding: float) -> tuple[FastBox, torch.Tensor, torch.Tensor]:
    """Where to iterate, the field f there (rad: ``scale`` times ppm) and its weights w, both of the padded box."""
    work = fast_box(scan, padding)
    weights = work.pad(data_weights(work.scan.field_noise, work.scan.mask)).square_()
    return work, work.pad(work.scan.local_field).mul_(scale), weights


def linear_step(field: torch.Tensor, weights: torch.Tensor) -> DataStep:
    """Least squares: a mean of ``field`` and the prediction, by their weights; all volumes (x, y, z)."""

    def step(v: torch.Tensor, mu: float) -> torch.Tensor:
        return torch.lerp(v, field, weights / (weights + mu))

    return step


def nonlinear_step(field: torch.Tensor, weights: torch.Tensor) -> DataStep:
    """Complex exponentials: does not see whole turns of ``field`` (radians)."""

    def step(v: torch.Tensor, mu: float) -> torch.Tensor:
        share = weights / (weights + mu)
        z = v
        for _ in range(_INNER_STEPS):
            # cos is bounded by its parabola from z: each step lowers the voxel's objective, also across a wrap.
            z = torch.lerp(v, z - torch.sin(z - field), share)
        return z

    return step


def absolute_step(field: torch.Tensor, weights: torch.Tensor) -> DataStep:
    """Absolute differences: a prediction within weight / mu of the ``field`` becomes it, others move that far."""

    def step(v: torch.Tensor, mu: float) -> torch.Tensor:
        limit = weights / mu
        return v - torch.minimum(torch.maximum(v - field, -limit), limit)

    return step
