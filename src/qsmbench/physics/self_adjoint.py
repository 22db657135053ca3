"""Gradients through a linear operator A that is its own adjoint: of A x, and of <x, A x>, at one application each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from qsmbench.physics.conjugate_gradients import dot


def apply(operator: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Apply a self-adjoint ``operator`` to ``x`` so that torch can differentiate it, any number of times."""
    applied: torch.Tensor = _Apply.apply(x, operator)  # type: ignore[no-untyped-call]
    return applied


class _Apply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, operator: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        ctx.operator = operator
        return operator(x.detach())

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        # Applied, not filtered, so that it can be differentiated again.
        return apply(ctx.operator, gradients[0]), None


def quadratic(x: torch.Tensor, operator: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """<x, A x> of a self-adjoint ``operator`` A, differentiable once."""
    value: torch.Tensor = _Quadratic.apply(x, operator)  # type: ignore[no-untyped-call]
    return value


class _Quadratic(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, operator: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        image = operator(x)
        ctx.save_for_backward(image)
        return x.new_tensor(dot(x, image))

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        (image,) = ctx.saved_tensors
        return image * (2 * gradients[0]), None
