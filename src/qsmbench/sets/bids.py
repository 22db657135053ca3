"""Acquisitions of one's own, in a BIDS folder."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from qsmbench.core.errors import InputError
from qsmbench.data.file_hashes import hashes_of
from qsmbench.data.layout import RunLayout
from qsmbench.preparation.bids_files import files_of, subjects_with_phase
from qsmbench.preparation.settings import Background, PreparationSettings
from qsmbench.sets.contract import SetSpec
from qsmbench.sets.scans import PreparedScans
from qsmbench.simulation.acquisition.protocol import PROTOCOLS

if TYPE_CHECKING:
    from qsmbench.core.grid import Shape


class BidsSet(SetSpec):
    """Acquisitions of one's own, in a BIDS folder; without a truth they get maps and figures, and no scores."""

    kind: Literal["bids"] = Field(description="use a BIDS folder")
    folder: Path = Field(description="the dataset: sub-<label>/[ses-<label>/]anat/*_MEGRE.nii.gz")
    subjects: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9]+$")], ...] = Field(
        (), description="labels without sub-; by default every subject of the folder"
    )
    preparation: PreparationSettings = Field(PreparationSettings(), description="from the echoes to the local field")

    @property
    def removal(self) -> Background:
        """The preparation's."""
        return self.preparation.background

    def open(self, layout: RunLayout, name: str) -> BidsScans:
        """The set called ``name`` in a results folder."""
        return BidsScans(layout, name, self)


class BidsScans(PreparedScans):
    """A set of a user's scans."""

    def __init__(self, layout: RunLayout, name: str, spec: BidsSet) -> None:
        super().__init__(layout, name)
        self.spec = spec

    @property
    def members(self) -> tuple[str, ...]:
        """The subjects that are listed, or those of the folder with phase; where it is elsewhere, those prepared.

        Raises:
            InputError: there is none.
        """
        if self.spec.subjects:
            return self.spec.subjects
        if found := self._found[0]:
            return tuple(found)
        if found := sorted(path.name.removeprefix("sub-") for path in self.layout.prepared(self.name).glob("sub-*")):
            return tuple(found)
        raise InputError(
            f"config: acquisitions.{self.name}.folder: {self.spec.folder} holds no sub-* folder with "
            "phase; give a BIDS dataset, see docs/preparation.md"
        )

    @cached_property
    def _found(self) -> tuple[list[str], list[str]]:
        """Subjects of the folder with phase, and those without, which are passed over."""
        return subjects_with_phase(self.raw)

    def fingerprint(self, subject: str) -> dict[str, str] | None:
        """Hashes of all that the preparation of a subject reads; None where the data are elsewhere."""
        if not self.raw.is_dir():
            return None
        return hashes_of(files_of(self.raw, subject), self.raw)

    @property
    def shape(self) -> Shape:
        """Taken to be the research protocol's: nobody reads the files for this."""
        return PROTOCOLS["research"].matrix

    @property
    def preparation(self) -> PreparationSettings:
        """The configuration's."""
        return self.spec.preparation

    @property
    def raw(self) -> Path:
        """The user's folder."""
        return self.spec.folder

    @property
    def description(self) -> str:
        """That there are no scores."""
        text = "scans without a known truth, prepared from their echoes: maps, and no scores"
        passed = [] if self.spec.subjects else self._found[1]
        return text + (f"; without phase, passed over: {', '.join(f'sub-{s}' for s in passed)}" if passed else "")
