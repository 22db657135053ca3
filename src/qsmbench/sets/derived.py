"""Sets made of a simulated one's scans, so that the error of a map can be told by the stage that made it.

    isolated    the true local field with the noise of the measurement: what the inversion does by itself
    removal     the prepared total field with another background removal: which pair of removal and inversion suits

Both have the subjects of the set that they are made of, and maps are scored on that set's voxels: the same for every
stage and every removal. A voxel that a removal lost has no chi, and counts as an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PrivateAttr

from qsmbench.core.section import Name
from qsmbench.data.disk import derived_bytes
from qsmbench.data.layout import RunLayout
from qsmbench.preparation.settings import Background
from qsmbench.sets.contract import SetSpec
from qsmbench.sets.scans import FieldScans
from qsmbench.sets.simulated import SimulatedScans, SimulatedSet
from qsmbench.simulation.error_recipe import ErrorRecipe

if TYPE_CHECKING:
    import numpy as np

    from qsmbench.core.grid import Shape
    from qsmbench.core.scan import Reference


class DerivedSpec(SetSpec):
    """A set that is made of another's scans."""

    of: Name = Field(description="the simulated set whose scans it is made of")
    _base: SimulatedSet | None = PrivateAttr(None)

    def bind(self, base: SimulatedSet) -> None:
        """Say what the set called ``of`` is."""
        self._base = base

    def open(self, layout: RunLayout, name: str) -> DerivedScans:
        """The set called ``name`` in a results folder."""
        if self._base is None:
            raise LookupError(f"{name}: the configuration did not say what '{self.of}' is")
        return DerivedScans(layout, name, self, self._base.open(layout, self.of))


class IsolatedSet(DerivedSpec):
    """True local fields of a simulated set, with the noise of its measurement: the inversion by itself."""

    kind: Literal["isolated"] = Field(description="use the true local fields of another set")
    noise: bool = Field(True, description="add white noise as large as the fit of the scan's echoes states it")
    error: ErrorRecipe = Field(ErrorRecipe(), description="add further errors of measured fields")


class RemovalSet(DerivedSpec):
    """Total fields of a simulated set as they were prepared, with another background removal."""

    kind: Literal["removal"] = Field(description="use the prepared total fields of another set")
    background: Background = Field(description="background removal")

    @property
    def removal(self) -> Background:
        """Its own."""
        return self.background


class DerivedScans(FieldScans):
    """A set whose scans are made of another's; ``base`` is the other."""

    scored = True

    def __init__(self, layout: RunLayout, name: str, spec: DerivedSpec, base: SimulatedScans) -> None:
        super().__init__(layout, name)
        self.spec, self.base = spec, base

    @property
    def members(self) -> tuple[str, ...]:
        """The subjects of the other set."""
        return self.base.members

    @property
    def shape(self) -> Shape:
        """The image's matrix."""
        return self.base.shape

    @property
    def folder(self) -> Path:
        """The derivative of fields and masks."""
        return self.layout.derived(self.name)

    def inputs(self) -> list[Path]:
        """The derived subjects."""
        return [self.layout.derived_subject(self.name, subject) for subject in self.members]

    def sources(self, subject: str) -> list[Path]:
        """What a subject is made of."""
        prepared = [self.layout.prepared_subject(self.spec.of, subject)]
        truth = [self.layout.truth_subject(self.spec.of, subject)] if isinstance(self.spec, IsolatedSet) else []
        return prepared + truth

    def truth_inputs(self) -> list[Path]:
        """The other set's truth, and its prepared scans, which say where maps are scored."""
        return [*self.base.truth_inputs(), *self.base.inputs()]

    def disk_bytes(self) -> int:
        """Of fields and masks."""
        return derived_bytes(self.shape, len(self.members))

    @property
    def description(self) -> str:
        """How many, and what is done to them."""
        what = (
            "given the true local field"
            if isinstance(self.spec, IsolatedSet)
            else f"with {self.removal} as background removal"
        )
        return f"{len(self.members)} scans of '{self.spec.of}', {what}; scored on its voxels"

    @property
    def removal(self) -> str:
        """Kind of the background removal; none where the field is true."""
        return self.spec.background.kind if isinstance(self.spec, RemovalSet) else "none"

    def failure(self, name: str) -> str | None:
        """Its own removal's, or the other set's: then no voxel is known to be scored."""
        return super().failure(name) or self.base.failure(name)

    def reference(self, name: str) -> Reference:
        """The other set's."""
        return self.base.reference(name)

    def more_references(self, name: str) -> Mapping[str, Reference]:
        """The other set's."""
        return self.base.more_references(name)

    def companion(self, name: str) -> np.ndarray | None:
        """The other set's SWI."""
        return self.base.companion(name)
