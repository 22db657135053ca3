"""Simulated acquisitions of whole heads: echoes in BIDS with their truth, prepared as a scanner's are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from qsmbench.data.disk import scan_bytes
from qsmbench.data.layout import RunLayout
from qsmbench.heads.phantom import PhantomSource
from qsmbench.heads.registry import OneHead
from qsmbench.preparation.settings import Background, PreparationSettings
from qsmbench.sets.contract import SetSpec
from qsmbench.sets.scans import PreparedScans
from qsmbench.simulation.acquisition.protocol import PROTOCOLS, CaseName, Protocol

if TYPE_CHECKING:
    from qsmbench.core.grid import Shape
    from qsmbench.core.scan import Reference
    from qsmbench.data.truth import Truth


class SimulatedSet(SetSpec):
    """Simulated acquisitions of whole heads, with their truth."""

    kind: Literal["simulated"] = Field(description="simulate the acquisitions")
    protocol: Literal["research", "clinical"] = Field(
        description="0.5x0.5x2.0 mm, 256x320x64, 4 echoes; or 0.76x0.76x3.0 mm, 288x288x50, 7 echoes"
    )
    subjects: tuple[CaseName, ...] = Field(min_length=1, description="whom to scan")
    scale: tuple[float, float, float] = Field(
        (1.0, 1.0, 1.0), description="factors on the voxel size along x, y, z; the field of view stays"
    )
    snr: float | None = Field(
        None,
        ge=0,
        description="brain at the first echo; by default the protocol's (30, 40; more in larger voxels); 0: no noise",
    )
    fineness: float = Field(1.0, gt=0, description="factor on the number of fine voxels that make an acquired one")
    source: Annotated[OneHead, Field(discriminator="kind")] = Field(
        PhantomSource(kind="phantom"), description="the brain: the phantom with tissues and veins, or any map"
    )
    preparation: PreparationSettings = Field(PreparationSettings(), description="from the echoes to the local field")

    @model_validator(mode="after")
    def _scale_enlarges(self) -> SimulatedSet:
        if any(s < 1 for s in self.scale):
            raise ValueError("scale: factors are 1 (the protocol) or more (coarser)")
        if len(set(self.subjects)) < len(self.subjects):
            raise ValueError("subjects: a subject is listed twice")
        return self

    @property
    def removal(self) -> Background:
        """The preparation's."""
        return self.preparation.background

    @property
    def sequence(self) -> Protocol:
        """The protocol at the set's scale and signal-to-noise ratio."""
        protocol = PROTOCOLS[self.protocol].scaled(self.scale)
        return protocol if self.snr is None else protocol.model_copy(update={"snr": self.snr})

    def open(self, layout: RunLayout, name: str) -> SimulatedScans:
        """The set called ``name`` in a results folder."""
        return SimulatedScans(layout, name, self)


class SimulatedScans(PreparedScans):
    """A set of simulated scans.

    Maps are scored where brain and prepared field are both known, the same voxels for every method; coverage is a share
    of the whole brain, since what background removal took away is not there for any method.
    """

    scored = True

    def __init__(self, layout: RunLayout, name: str, spec: SimulatedSet) -> None:
        super().__init__(layout, name)
        self.spec = spec

    @property
    def members(self) -> tuple[str, ...]:
        """The subjects."""
        return self.spec.subjects

    @property
    def shape(self) -> Shape:
        """The image's matrix."""
        return self.spec.sequence.matrix

    @property
    def preparation(self) -> PreparationSettings:
        """The configuration's."""
        return self.spec.preparation

    def echoes(self, subject: str) -> list[Path]:
        """The subject's folder and what describes the dataset."""
        return [*super().echoes(subject), *self.layout.raw_description(self.name)]

    def truth_inputs(self) -> list[Path]:
        """The subjects' truth."""
        return [self.layout.truth_subject(self.name, subject) for subject in self.members]

    def disk_bytes(self) -> int:
        """Of echoes, truth and prepared fields."""
        return scan_bytes(self.shape, len(self.spec.sequence.echo_times), len(self.members))

    @property
    def description(self) -> str:
        """How many, of which protocol."""
        return f"{len(self.members)} simulated {self.spec.protocol} scans, prepared from their echoes"

    def truth(self, name: str) -> Truth:
        """Chi and fields as they were simulated."""
        from qsmbench.data.truth import read_truth

        return read_truth(self.raw, self.prepared[name].subject)

    def reference(self, name: str) -> Reference:
        """True chi, to be scored where the prepared field is known."""
        from dataclasses import replace

        from qsmbench.data.nifti import read_mask

        whole = self.truth(name).reference
        known = read_mask(self.prepared[name].path("local_mask")) & whole.mask
        return replace(whole, mask=known, extent=whole.mask)
