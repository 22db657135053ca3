"""Ranges and parts that recipes are made of; no numpy, so that a command line can read a recipe at once."""

from math import isfinite
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from qsmbench.core.errors import InputError


def _ordered(bounds: tuple[float, float]) -> tuple[float, float]:
    low, high = bounds
    if not (isfinite(low) and isfinite(high) and low <= high):
        raise InputError(f"a range is (lowest, highest), finite and in this order, got ({low}, {high})")
    return bounds


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]


class Part(BaseModel):
    """A part of a recipe: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def within(name: str, bounds: tuple[float, float], low: float, high: float) -> None:
    """Raise InputError where ``bounds`` leave [``low``, ``high``]."""
    if bounds[0] < low or bounds[1] > high:
        raise InputError(f"{name} must lie within {low:g} to {high:g}, got {list(bounds)}")
