"""What every part of the audit gives back: how much it looked at, and what it found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["missing", "changed", "added", "contradiction", "cell", "recomputed"]


@dataclass(frozen=True)
class Finding:
    """Something that should not be so.

    Attributes:
        kind: what happened to it.
        where: a file below the results; for a table's cell also table, row and column, for a score its subject.
        text: what is wrong, in a sentence.
    """

    kind: Kind
    where: str
    text: str


@dataclass
class Check:
    """One part of the audit.

    Attributes:
        name: one word.
        title: what it asks, for people.
        n: how many things it looked at, in words.
        findings: what should not be so: one is enough to fail.
        notes: what a reader should know, and is no mistake.
        skipped: what could not be looked at, and what it needs.
        seconds: processor time.
    """

    name: str
    title: str
    n: str = ""
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def find(self, kind: Kind, where: str, text: str) -> None:
        """Add a finding."""
        self.findings.append(Finding(kind, where, text))
