"""Conjugate gradients, preconditioned or not, for A x = b, A symmetric and positive, as functions on volumes.

Hestenes & Stiefel 1952, doi 10.6028/jres.049.044. Every iterate lowers x^T A x / 2 - b^T x, however early it stops.
Sums are taken in double precision and in one fixed order, so that the result does not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

from qsmbench.core.compiled import compiled

Operator: TypeAlias = "Callable[[torch.Tensor], torch.Tensor]"


def dot(x: torch.Tensor, y: torch.Tensor) -> float:
    """Inner product of two real volumes in double precision."""
    if x.device.type != "cpu":
        return float(torch.sum(x * y, dtype=torch.float64))
    return float(_dot(x.numpy().ravel(), y.numpy().ravel()))


@dataclass(frozen=True, eq=False)
class CgSolution:
    """The solution ``x``, the steps done and |b - A x| / |b| at the end."""

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
) -> CgSolution:
    """Solve A x = b from x = 0 until |b - A x| <= ``tolerance`` |b|.

    Args:
        operator: A, symmetric positive (semi-)definite; returns a new tensor.
        b: right-hand side; unchanged.
        precondition: an approximate inverse of A, symmetric positive definite; by default none.
        tolerance: relative norm of the residual to stop at.
        max_iterations: the most applications of A.
    """
    x = torch.zeros_like(b)
    residual = b.clone()
    start = norm = dot(b, b) ** 0.5
    if start == 0:
        return CgSolution(x, 0, 0.0)
    direction = torch.zeros_like(b)
    energy = 1.0
    for iteration in range(max_iterations):
        z = residual if precondition is None else precondition(residual)
        energy, last = dot(residual, z), energy
        direction.mul_(energy / last if iteration else 0.0).add_(z)
        image = operator(direction)
        curvature = dot(direction, image)
        # Rounding, or a right-hand side in A's null space: no descent is left to be had.
        if not curvature > 0:
            return CgSolution(x, iteration, norm / start)
        x.add_(direction, alpha=energy / curvature)
        residual.sub_(image, alpha=energy / curvature)
        norm = dot(residual, residual) ** 0.5
        if norm <= tolerance * start:
            return CgSolution(x, iteration + 1, norm / start)
    return CgSolution(x, max_iterations, norm / start)


@compiled(nogil=True, fastmath=True)
def _dot(x: Any, y: Any) -> float:
    total = 0.0
    for i in range(x.size):
        total += float(x[i]) * float(y[i])
    return total
