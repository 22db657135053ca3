"""Conjugate gradients for a symmetric positive definite operator, with a preconditioner.

Hestenes & Stiefel 1952, doi 10.6028/jres.049.044. Volumes are float32, inner products are summed in double precision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch

Operator: TypeAlias = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, eq=False)
class Solution:
    """The solution ``x``, the steps done and || b - A x || / || b || at the end."""

    x: torch.Tensor
    n_iterations: int
    residual: float


def conjugate_gradients(
    operator: Operator,
    b: torch.Tensor,
    precondition: Operator | None = None,
    *,
    tolerance: float,
    max_iterations: int,
) -> Solution:
    """Solve operator(x) = b from x = 0 until the residual is ``tolerance`` of b, or for ``max_iterations`` steps.

    ``operator`` and ``precondition`` return new tensors. ``b`` is overwritten.
    """
    x = torch.zeros_like(b)
    start = inner(b, b)
    if start == 0:
        return Solution(x, 0, 0.0)
    residual = b
    z = residual.clone() if precondition is None else precondition(residual)
    direction = z.clone()
    rho = inner(residual, z)
    n_iterations, squared = 0, start
    while n_iterations < max_iterations and squared > tolerance**2 * start:
        image = operator(direction)
        curvature = inner(direction, image)
        # Rounding has eaten the direction: nothing is left to gain.
        if not curvature > 0:
            break
        step = rho / curvature
        x.add_(direction, alpha=step)
        residual.sub_(image, alpha=step)
        z = residual if precondition is None else precondition(residual)
        rho, previous = inner(residual, z), rho
        direction.mul_(rho / previous).add_(z)
        squared = inner(residual, residual)
        n_iterations += 1
    return Solution(x, n_iterations, (squared / start) ** 0.5)


def inner(a: torch.Tensor, b: torch.Tensor) -> float:
    """Return the sum of products, in double precision, slice by slice to save memory."""
    return sum(float(torch.dot(p.flatten().double(), q.flatten().double())) for p, q in zip(a, b, strict=True))
