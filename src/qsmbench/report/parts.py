"""What the page is filled with: pictures, rows of prepared fields, a section a set."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from qsmbench.report.caveats import Footnotes
from qsmbench.report.tables import Table


@dataclass(frozen=True)
class Picture:
    """A PNG with its file's stem, what it shows in words, and a caption."""

    name: str
    png: bytes
    alt: str
    caption: str

    @property
    def source(self) -> str:
        """The picture as a data URL."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, from the header (PNG specification 11.2.2), so that a page does not jump."""
        return int.from_bytes(self.png[16:20], "big"), int.from_bytes(self.png[20:24], "big")


@dataclass(frozen=True)
class FieldRow:
    """How far a prepared field is from the truth on one scan, as printed."""

    subject: str
    field: str
    nrmse: str
    rms_error: str
    correlation: str
    coverage: str
    harmonic: str = ""
    noise: str = ""
    told: str = ""


@dataclass(frozen=True)
class SetSection:
    """What the page shows of a set."""

    name: str
    table: Table
    distribution: Picture | None
    pictures: tuple[Picture, ...]
    convention: str
    regions: Table | None = None
    spectrum: Picture | None = None
    fields: tuple[FieldRow, ...] = ()
    scored: bool = True
    footnotes: Footnotes = field(default_factory=Footnotes)
    rule: str = ""

    @property
    def all_pictures(self) -> tuple[Picture, ...]:
        """Every picture of the section."""
        return (*(p for p in (self.distribution, self.spectrum) if p is not None), *self.pictures)
