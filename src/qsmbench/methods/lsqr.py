"""LSQR: least squares for any linear operator, one application of it and of its adjoint an iteration.

    min_x || A x - b ||

Golub-Kahan bidiagonalisation, which in exact arithmetic gives the iterates of conjugate gradients on A^T A x = A^T b
but never forms the squared operator (Paige & Saunders 1982, doi 10.1145/355984.355989). Started from zero, it fits what
A sees best first, so that stopping early regularizes. Volumes are float32, norms are summed in double precision: the
result does not depend on the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch

from qsmbench.methods.convergence import Convergence, Iteration

Operator: TypeAlias = "Callable[[torch.Tensor], torch.Tensor]"


@dataclass(frozen=True, eq=False)
class Solution:
    """What LSQR found.

    Attributes:
        x: the solution.
        convergence: || A x - b || / || b || after each iteration, as LSQR's recurrence has it.
    """

    x: torch.Tensor
    convergence: Convergence

    @property
    def residuals(self) -> tuple[float, ...]:
        """Relative residual after each iteration."""
        return self.convergence.values

    @property
    def converged(self) -> bool:
        """Whether a tolerance ended it; otherwise the limit of iterations did."""
        return self.convergence.converged

    @property
    def n_iterations(self) -> int:
        """Iterations done."""
        return len(self.residuals)


def lsqr(
    forward: Operator,
    adjoint: Operator,
    b: torch.Tensor,
    *,
    tolerance: float,
    max_iterations: int,
    name: str = "LSQR",
) -> Solution:
    """Solve min || forward(x) - b || from x = 0.

    Stops when the residual is ``tolerance`` of b, or when the gradient || A^T r || is ``tolerance`` of || A || || r ||
    (the first and second test of the paper, with ATOL = 0 in the first).

    Args:
        forward: A; returns a new tensor, as does ``adjoint``.
        adjoint: A^T.
        b: right-hand side, any shape; unchanged.
        tolerance: of both tests.
        max_iterations: the most iterations.
        name: how the log calls this solve.
    """
    beta = start = norm(b)
    v = adjoint(b)
    if beta > 0:
        v /= beta
    alpha = norm(v)
    x = torch.zeros_like(v)
    if alpha == 0:
        return Solution(x, Convergence(name, "relative residual", tolerance, (), True))
    u = b / beta
    v /= alpha
    direction = v.clone()
    phi_bar, rho_bar, squared_norm = beta, alpha, alpha**2
    with Iteration(name, "relative residual", tolerance, max_iterations) as iteration:
        for _ in range(max_iterations):
            u = forward(v).sub_(u, alpha=alpha)
            beta = norm(u)
            # beta = 0 or alpha = 0 below end the bidiagonalisation: the solution is exact.
            u /= beta or 1.0
            v = adjoint(u).sub_(v, alpha=beta)
            alpha = norm(v)
            v /= alpha or 1.0
            rho = math.hypot(rho_bar, beta)
            cosine, sine = rho_bar / rho, beta / rho
            phi, phi_bar = cosine * phi_bar, sine * phi_bar
            x.add_(direction, alpha=phi / rho)
            direction.mul_(-sine * alpha / rho).add_(v)
            rho_bar = -cosine * alpha
            squared_norm += alpha**2 + beta**2
            gradient = alpha * abs(cosine) / math.sqrt(squared_norm)
            if iteration.step(phi_bar / start, converged=gradient <= tolerance):
                break
    return Solution(x, iteration.convergence)


def norm(x: torch.Tensor) -> float:
    """Euclidean norm, summed in double precision."""
    return float(torch.linalg.vector_norm(x, dtype=torch.float64))
