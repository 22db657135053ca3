"""Fields as a scanner measured them, from elsewhere: a folder, a list of files, or the 2016 challenge's archive."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from qsmbench.core.errors import InputError
from qsmbench.core.section import Section
from qsmbench.data.layout import RunLayout
from qsmbench.sets.contract import SetSpec
from qsmbench.sets.scans import FieldScans

if TYPE_CHECKING:
    from qsmbench.core.grid import Shape
    from qsmbench.core.scan import Reference
    from qsmbench.data.measured import MeasuredFiles
    from qsmbench.data.prepared import PreparedScan

# What a whole head has, about; nobody reads files for what only costs are estimated from.
_SHAPE = (160, 160, 160)


class MeasuredField(Section):
    """One measured field."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9]+$")] = Field(description="label of the scan")
    local_field: Path = Field(description="local field, ppm, NIfTI")
    mask: Path = Field(description="where the field is known")
    references: dict[str, Path] = Field(
        default_factory=dict, description="maps to score against by name, ppm; tables rank by the first"
    )
    magnitude: Path | None = Field(None, description="magnitude image")
    field_noise: Path | None = Field(None, description="standard deviation of the field, ppm")
    region: Path | None = Field(None, description="where maps are scored; by default in the mask")
    b0_dir: tuple[float, float, float] | None = Field(
        None, description="direction of B0 in voxel axes; by default the scanner's z axis through the affine"
    )
    b0: float | None = Field(None, gt=0, description="main field, T")
    echo_times: tuple[float, ...] = Field((), description="s")


class MeasuredSpec(SetSpec):
    """A set whose fields are measured."""

    @abstractmethod
    def files(self, name: str) -> list[MeasuredFiles]:
        """Every scan's files, brought here where they are not yet.

        Raises:
            InputError: there are none, or they cannot be had.
        """

    def open(self, layout: RunLayout, name: str) -> MeasuredScans:
        """The set called ``name`` in a results folder."""
        return MeasuredScans(layout, name, self)

    @abstractmethod
    def listed(self) -> list[tuple[str, bool, list[Path]]] | None:
        """Of each scan its name, whether there is a reference, and the user's files; None where they are gone."""


class MeasuredSet(MeasuredSpec):
    """Local fields as a scanner measured them, with references where there are any."""

    kind: Literal["measured"] = Field(description="use measured local fields")
    folder: Path | None = Field(
        None,
        description="folder with local_field and mask (and chi_<name>, magnitude, field_noise, region) as NIfTI, or of "
        "such folders, or a BIDS derivative of local fields",
    )
    scans: tuple[MeasuredField, ...] = Field((), description="in place of a folder: the files of each scan")

    @model_validator(mode="after")
    def _one_of_both(self) -> MeasuredSet:
        if (self.folder is None) == (not self.scans):
            raise ValueError("give either folder or scans")
        if len({scan.name for scan in self.scans}) < len(self.scans):
            raise ValueError("scans: a name is listed twice")
        if len({bool(scan.references) for scan in self.scans}) > 1:
            raise ValueError("scans: some have references and some have none; make two sets of them")
        return self

    def files(self, name: str) -> list[MeasuredFiles]:
        """Those of the folder or of the list."""
        from qsmbench.data.measured import MeasuredFiles, measured_files

        if self.folder is not None:
            return measured_files(self.folder)
        return [MeasuredFiles(**{key: getattr(scan, key) for key in MeasuredField.model_fields}) for scan in self.scans]

    def listed(self) -> list[tuple[str, bool, list[Path]]] | None:
        """From the names of files alone."""
        if self.folder is not None and not self.folder.is_dir():
            return None
        found = self.files("")
        if len({bool(files.references) for files in found}) > 1:
            raise InputError(f"{self.folder}: some fields have references and some have none; make two sets of them")
        return [
            (
                files.name,
                bool(files.references),
                [
                    path
                    for path in (
                        files.local_field,
                        files.mask,
                        *files.references.values(),
                        files.magnitude,
                        files.field_noise,
                        files.region,
                    )
                    if path is not None
                ],
            )
            for files in found
        ]


class Challenge2016Set(MeasuredSpec):
    """The measured field of the 2016 challenge (Langkammer 2018, doi 10.1002/mrm.26830), against COSMOS and chi_33."""

    kind: Literal["challenge2016"] = Field(description="use the field that the 2016 challenge measured")
    archive: Path | None = Field(
        None, description="the archive or its unpacked folder, where it is at hand; otherwise it is downloaded"
    )
    cache: Path = Field(Path(".cache/challenge2016"), description="where the download is kept")
    url: str = Field("", description="where to download from; by default the challenge's own address")

    def files(self, name: str) -> list[MeasuredFiles]:
        """Field, mask, magnitude, COSMOS and chi_33, from the archive."""
        from qsmbench.data.challenge2016 import B0, ECHO_TIME, SIZE, URL, challenge2016
        from qsmbench.data.measured import MeasuredFiles

        url, size = (self.url, None) if self.url else (URL, SIZE)
        found = challenge2016(self.cache, archive=self.archive, url=url, size=size)
        if found.local_field is None:
            raise InputError(f"the archive of {name} has no phs_tissue (local field); get it again from {url}")
        references = {"chi_cosmos": found.chi_cosmos} | ({} if found.chi_33 is None else {"chi_33": found.chi_33})
        return [
            MeasuredFiles(
                "head",
                found.local_field,
                found.mask,
                references,
                magnitude=found.magnitude,
                b0_dir=found.b0_dir,
                b0=B0,
                echo_times=(ECHO_TIME,),
            )
        ]

    def listed(self) -> list[tuple[str, bool, list[Path]]]:
        """One head, known before the archive is there."""
        return [("head", True, [] if self.archive is None else [self.archive])]


class MeasuredScans(FieldScans):
    """A set of measured fields, kept as a BIDS derivative in the results."""

    def __init__(self, layout: RunLayout, name: str, spec: MeasuredSpec) -> None:
        super().__init__(layout, name)
        self.spec = spec

    @cached_property
    def _listed(self) -> list[tuple[str, bool, list[Path]]]:
        listed = self.spec.listed()
        if listed is not None:
            return listed
        # A run whose user's folder is elsewhere: what it kept.
        kept = sorted(self.folder.glob("sub-*"))
        if not kept:
            raise InputError(f"config: acquisitions.{self.name}.folder: there is no such folder; give measured fields")
        return [(path.name.removeprefix("sub-"), any(path.rglob("*_Chimap.nii.gz")), []) for path in kept]

    @property
    def members(self) -> tuple[str, ...]:
        """Names of the scans."""
        return tuple(name for name, _, _ in self._listed)

    @property
    def scored(self) -> bool:  # type: ignore[override]
        """Whether the fields came with references."""
        return all(has for _, has, _ in self._listed)

    @property
    def shape(self) -> Shape:
        """Taken to be a head's at 1 mm: nobody reads the files for this."""
        return _SHAPE

    @property
    def folder(self) -> Path:
        """The derivative that keeps them."""
        return self.layout.measured(self.name)

    def inputs(self) -> list[Path]:
        """The kept scans."""
        return [self.layout.measured_subject(self.name, member) for member in self.members]

    def originals(self, member: str) -> list[Path]:
        """The user's files of one scan."""
        return next(files for name, _, files in self._listed if name == member)

    @property
    def description(self) -> str:
        """How many, and against what."""
        truth = "scored against the references that came with them" if self.scored else "without a reference: no scores"
        return f"{len(self.members)} measured local fields, {truth}"

    def reference(self, name: str) -> Reference:
        """The first reference, on the region to score."""
        return self._references(name)[0][1]

    def more_references(self, name: str) -> Mapping[str, Reference]:
        """The others, by the name they came with."""
        return dict(self._references(name)[1:])

    def _references(self, name: str) -> Sequence[tuple[str, Reference]]:
        import numpy as np

        from qsmbench.core.scan import Reference
        from qsmbench.data.measured import reference_names, reference_path, scored_region
        from qsmbench.data.nifti import read_volume

        item: PreparedScan = self.prepared[name]
        grid, region = self.scan(name).grid, scored_region(item)
        found = []
        for label, title in reference_names(item).items():
            chi = read_volume(reference_path(item, label)).data
            found.append((title, Reference(np.where(region, chi, np.float32(0)), region, grid)))
        if not found:
            raise LookupError(f"{self.name}: {name} has no reference")
        return found
