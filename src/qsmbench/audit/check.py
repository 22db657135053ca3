"""What every part of the audit gives back: how much it looked at, and what it found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from qsmbench.core.damage import reading, shown
from qsmbench.core.errors import InputError

Kind = Literal["missing", "changed", "added", "contradiction", "cell", "recomputed"]
T = TypeVar("T")

# A folder in which nothing is right must not fill the auditor's disk with its findings.
MOST_LINES = 2000
LONGEST_TEXT = 600


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
        """Add a finding; names and texts may be a stranger's, and are kept as they can be shown."""
        if len(self.findings) < MOST_LINES:
            self.findings.append(Finding(kind, shown(where)[:LONGEST_TEXT], shown(text)[:LONGEST_TEXT]))
        elif len(self.findings) == MOST_LINES:
            self.findings.append(Finding(kind, "more", f"more than {MOST_LINES} findings; the others are not listed"))

    def guarded(self, where: str, look: Callable[[], T], otherwise: T, kind: Kind = "changed") -> T:
        """Look; whatever a damaged file makes the look raise is a finding, and not the end of the audit."""
        try:
            with reading(where, advice="it is damaged or not what it is called"):
                return look()
        except InputError as error:
            self.find(kind, where, str(error))
            return otherwise

    def close(self, seconds: float) -> None:
        """Note the time, and make what is said fit to be shown, each line once."""
        self.seconds = round(seconds, 2)
        self.n = shown(self.n)
        self.notes = [shown(line)[:LONGEST_TEXT] for line in dict.fromkeys(self.notes)][:MOST_LINES]
        self.skipped = [shown(line)[:LONGEST_TEXT] for line in dict.fromkeys(self.skipped)][:MOST_LINES]
