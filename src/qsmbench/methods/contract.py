"""What every reconstruction method is: a frozen set of parameters that maps a scan to chi.

A method is a frozen dataclass derived from `Method`; its fields, made by `parameter`, are its parameters with the
papers' defaults. Calling it with a `Scan` gives chi in ppm, float32, zero outside the mask, on the scan's device. The
masking, the type and the check of the result live here, the inversion in the method's own file. What a method inverts
is the mask's box in the world's voxel order (`place`): position and storage order cannot matter to any.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

import torch

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.core.scan import Scan
from qsmbench.methods.convergence import Convergence
from qsmbench.methods.notes import gathered_notes
from qsmbench.methods.place import Place


class ReconstructionError(RuntimeError):
    """A method could not reconstruct this scan (it diverged, say); recorded as a failure, never dropped."""


def parameter(
    default: Any,
    doc: str,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    choices: tuple[str, ...] | None = None,
) -> Any:
    """Declare a method's parameter: its default, one sentence on it with unit and source, and its bounds."""
    bounds = {"above": above, "at_least": at_least, "below": below, "at_most": at_most, "choices": choices}
    return field(default=default, metadata={"doc": doc, **{k: v for k, v in bounds.items() if v is not None}})


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """A map, and how the iterations that made it went.

    Attributes:
        chi: (x, y, z), float32, ppm, zero outside the mask.
        convergence: one for each loop, in order; empty for a direct method.
        grid: of chi where it is not the scan's.
        notes: what a user should know of how it was made, warnings among them; a line each.
        uncertainty: standard deviation of chi in ppm, like it, where the method tells one.
    """

    chi: torch.Tensor
    convergence: tuple[Convergence, ...] = ()
    grid: Grid | None = None
    notes: tuple[str, ...] = ()
    uncertainty: torch.Tensor | None = None

    def with_notes(self, lines: Iterable[str]) -> Reconstruction:
        """Return it with these lines among the notes, and one for each loop that its limit ended."""
        limits = [line for course in self.convergence if (line := course.limit_note) is not None]
        return replace(self, notes=tuple(dict.fromkeys([*lines, *self.notes, *limits])))


@dataclass(frozen=True)
class Method(ABC):
    """A reconstruction method with its parameters set.

    Raises:
        InputError: on construction, for a parameter outside its bounds.
    """

    # Voxels of zeros around the mask's box in what `invert` is given.
    margin: ClassVar[int] = 4

    def __post_init__(self) -> None:
        for f in fields(self):
            _check_bounds(f.name, getattr(self, f.name), f.metadata)

    @property
    def begins_earlier(self) -> bool:
        """Whether it needs `Scan.earlier`: it begins at the total field or at the echoes, not at the local field."""
        return False

    @property
    def ran_in(self) -> Mapping[str, str]:
        """What beside this package its maps depend on, for their record (a container's image); by default nothing."""
        return {}

    @classmethod
    def completed(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options and what follows from them for others, as of a preset; by default nothing does."""
        return dict(options)

    def __call__(self, scan: Scan) -> torch.Tensor:
        """Reconstruct chi (x, y, z), float32, ppm, zero outside the mask; errors as in :meth:`reconstruct`."""
        return self.reconstruct(scan).chi

    def reconstruct(self, scan: Scan) -> Reconstruction:
        """Reconstruct, and keep the course of the iterations.

        Raises:
            InputError: the scan lacks something that the method needs.
            ReconstructionError: the result is not finite.
        """
        place = Place.of(scan, self.margin)
        with torch.no_grad(), gathered_notes() as lines:
            found = self.invert(place.scan)
        if isinstance(found, tuple):
            found = Reconstruction(*found)
        elif isinstance(found, torch.Tensor):
            found = Reconstruction(found)
        chi = torch.where(scan.mask, place.restore(found.chi), 0.0).to(torch.float32)
        n_bad = int((~torch.isfinite(chi)).sum())
        if n_bad:
            raise ReconstructionError(f"{type(self).__name__} gave {n_bad} non-finite voxels")
        spread = found.uncertainty
        if spread is not None:
            spread = torch.where(scan.mask, place.restore(spread), 0.0).to(torch.float32)
        return replace(found, chi=chi, uncertainty=spread).with_notes(lines)

    @abstractmethod
    def invert(self, scan: Scan) -> torch.Tensor | tuple[torch.Tensor, tuple[Convergence, ...]] | Reconstruction:
        """Return chi (x, y, z) in ppm, what lies outside the mask does not matter; an iterative one, its course too.

        Args:
            scan: on the mask's box with ``margin`` voxels around it, in the world's order (`Place`).
        """


def _check_bounds(name: str, value: Any, bounds: Any) -> None:
    if value is None:
        return
    if "choices" in bounds:
        if value not in bounds["choices"]:
            raise InputError(f"option {name} must be one of {', '.join(bounds['choices'])}, got {value}")
        return
    texts = {"above": "> ", "at_least": ">= ", "below": "< ", "at_most": "<= "}
    tests = {
        "above": lambda v, b: v > b,
        "at_least": lambda v, b: v >= b,
        "below": lambda v, b: v < b,
        "at_most": lambda v, b: v <= b,
    }
    # A NaN fails every comparison, so it is refused wherever there is a bound.
    failed = [key for key in tests if key in bounds and not tests[key](value, bounds[key])]
    if failed:
        wanted = " and ".join(texts[key] + f"{bounds[key]:g}" for key in tests if key in bounds)
        raise InputError(f"option {name} must be {wanted}, got {value}")
