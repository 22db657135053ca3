"""What every set of scans can do: a method sees its scans, the evaluation its references, the report both.

A kind of set is a section of the configuration (`SetSpec`) and a class that reads such a set (`ScanSet`). Rules hold
sets too, so nothing heavy is loaded before a scan is opened.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import Field

from qsmbench.core.errors import InputError
from qsmbench.core.section import Name, Section, Text
from qsmbench.data.layout import RunLayout

if TYPE_CHECKING:
    import numpy as np

    from qsmbench.core.grid import Shape
    from qsmbench.core.scan import Earlier, Reference, Scan
    from qsmbench.preparation.settings import Background


class Labels(NamedTuple):
    """Tissues of a scan: (x, y, z) integers, 0 for none, and what each number means."""

    volume: np.ndarray
    names: Mapping[int, str]


@dataclass(frozen=True)
class MapsAbout:
    """What is said of a method's maps where they are stored.

    Attributes:
        method: name in the registry.
        label: for people.
        options: parameters that differ from the defaults.
        parameters: every parameter.
    """

    method: str
    label: str
    options: Mapping[str, Any]
    parameters: Mapping[str, Any]


class SetSpec(Section):
    """The section of the configuration that describes one set."""

    label: Text = Field("", description="heading in the report; by default the set's name")
    methods: tuple[Name, ...] = Field((), description="methods that are run on it, by name; by default every one")

    @property
    def removal(self) -> Background | None:
        """What removes the background of its fields; None where nothing does."""
        return None

    @abstractmethod
    def open(self, layout: RunLayout, name: str) -> ScanSet:
        """The set called ``name`` in a results folder; no file is read yet."""


class ScanSet(ABC):
    """One set. The first part is known without reading a file, but for the folder of a user's own data."""

    # Whether there is a truth to score maps against.
    scored = True

    def __init__(self, layout: RunLayout, name: str) -> None:
        self.layout, self.name = layout, name

    @property
    @abstractmethod
    def members(self) -> tuple[str, ...]:
        """What the set has one after the other: samples, or subjects, each of one scan or more."""

    @property
    @abstractmethod
    def shape(self) -> Shape:
        """Voxels of a scan, about: for costs and disk."""

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Where its scans lie."""

    @abstractmethod
    def inputs(self) -> list[Path]:
        """Files or folders that must be there before the first scan is opened."""

    def truth_inputs(self) -> list[Path]:
        """What must be there besides before a map is scored."""
        return []

    def disk_bytes(self) -> int:
        """About how many bytes the run writes for this set, maps apart."""
        return 0

    @property
    @abstractmethod
    def description(self) -> str:
        """One line for the report."""

    # From here on files are read.

    @property
    @abstractmethod
    def names(self) -> Sequence[str]:
        """Of the scans, as scores call them."""

    @abstractmethod
    def scan(self, name: str) -> Scan:
        """What a method may see."""

    def earlier(self, name: str) -> Earlier | None:
        """What the scan's field was made from; None where the set has no more than the field."""
        return None

    def failure(self, name: str) -> str | None:
        """Why there is no scan of this name: what prepares it failed, which is a row for every method."""
        return None

    def scan_for(self, name: str, *, begins_earlier: bool) -> Scan:
        """The scan, with what its field was made from where a method begins earlier.

        Raises:
            InputError: the scan could not be prepared.
        """
        from dataclasses import replace

        if reason := self.failure(name):
            raise InputError(reason)
        scan = self.scan(name)
        return replace(scan, earlier=self.earlier(name)) if begins_earlier else scan

    @abstractmethod
    def reference(self, name: str) -> Reference:
        """The truth; only of a set that is `scored`."""

    def more_references(self, name: str) -> Mapping[str, Reference]:
        """Other maps to score against, by name; what comes of them stands beside the scores by region."""
        return {}

    def labels(self, name: str) -> Labels | None:
        """Tissues, where they are known."""
        return None

    @abstractmethod
    def data_hash(self, name: str) -> str:
        """SHA-256 that stands for what the scan is made of."""

    def axis_codes(self, name: str) -> str | None:
        """To which side of the patient each voxel axis runs, such as RAS, where that is known."""
        return None

    def companion(self, name: str) -> np.ndarray | None:
        """A susceptibility-weighted image (x, y, z) of the scan, to be shown beside its maps."""
        return None

    def voxel_sizes(self) -> Mapping[str, Sequence[float]]:
        """Voxel size by scan in mm, where scans were made to differ in it."""
        return {}

    def noise_levels(self) -> Mapping[str, float]:
        """Standard deviation in ppm of the noise that was added to the field, by scan."""
        return {}

    # Maps, each method's in a folder of its own.

    @abstractmethod
    def start_maps(self, folder: Path, about: MapsAbout) -> None:
        """Begin a method's maps of this set."""

    @abstractmethod
    def write_map(self, folder: Path, name: str, chi: np.ndarray, about: MapsAbout, found: Mapping[str, Any]) -> None:
        """Store one map.

        Args:
            folder: where the maps were begun.
            name: of the scan.
            chi: (x, y, z) float32, ppm.
            about: the same as in the beginning.
            found: what the method said of this map (convergence, notes), JSON-able.
        """

    @abstractmethod
    def read_map(self, folder: Path, name: str) -> np.ndarray | None:
        """One map (x, y, z) in ppm; None where there is none, since the method failed."""

    @abstractmethod
    def map_name(self, folder: Path, name: str) -> str:
        """How findings of the audit call one map: its file, or its store and number."""
