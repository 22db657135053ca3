"""What methods said of their maps: footnotes of tables, shares that converged, every subject's own lines.

The lines come from the status that each reconstruction leaves (`qsmbench.benchmark.reconstruction`). Lines that differ
in numbers alone ("lambda 0.0012 from the field's error") are one footnote, with how many subjects it was said of.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from qsmbench.core.damage import reading
from qsmbench.data.atomic import write_text_atomic
from qsmbench.data.layout import RunLayout
from qsmbench.report.display import Display
from qsmbench.report.plain_csv import csv_text

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Caveat:
    """A line, of how many of a method's subjects it was said, and whether its numbers differ among them."""

    text: str
    n: int
    of: int
    varied: bool

    @property
    def sentence(self) -> str:
        """The line with the share of subjects."""
        where = "" if self.n == self.of == 1 else f" ({'all' if self.n == self.of else self.n} of {self.of} subjects"
        if where:
            where += "; numbers of the first)" if self.varied else ")"
        return f"{self.text}{where}"


@dataclass(frozen=True)
class Remark:
    """What one method said on one set.

    Attributes:
        caveats: by kind of line, in the order they were first said.
        subjects: every subject's own lines.
        n_iterated: maps that an iteration with a tolerance made.
        n_converged: those of them whose every such iteration met it.
    """

    caveats: tuple[Caveat, ...]
    subjects: Mapping[str, tuple[str, ...]]
    n_iterated: int
    n_converged: int

    @property
    def converged(self) -> str:
        """The share that converged, printed."""
        return f"{self.n_converged} of {self.n_iterated}" if self.n_iterated else "–"


@dataclass(frozen=True)
class Footnotes:
    """The footnotes of one table: the numbers that stand at each method, and their lines."""

    marks: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    lines: tuple[str, ...] = ()

    def at(self, method: str) -> str:
        """The numbers at a method in order, three or more that follow each other as a range; empty without any."""
        runs: list[list[int]] = []
        for number in sorted(self.marks.get(method, ())):
            if runs and number == runs[-1][-1] + 1:
                runs[-1].append(number)
            else:
                runs.append([number])
        ranges = [[f"{run[0]}–{run[-1]}"] if len(run) > 2 else [str(number) for number in run] for run in runs]
        return ", ".join(text for texts in ranges for text in texts)


def read_said(layout: RunLayout, display: Display) -> dict[tuple[str, str], Remark]:
    """Read what was said by set and method, in the display's order, where a reconstruction left its status."""
    found = {}
    for name in display.sets:
        for run in display.methods:
            path = layout.map_status(name, run)
            if path.is_file():
                found[name, run] = _said(path)
    return found


def footnotes(said: Mapping[tuple[str, str], Remark], sets: Sequence[str], methods: Iterable[str]) -> Footnotes:
    """Number the lines of one table; the same line of two methods or sets has one number."""
    numbers: dict[str, int] = {}
    marks: dict[str, tuple[int, ...]] = {}
    for method in methods:
        lines = [
            caveat.sentence
            for name in sets
            if (entry := said.get((name, method))) is not None
            for caveat in entry.caveats
        ]
        marks[method] = tuple(dict.fromkeys(numbers.setdefault(line, len(numbers) + 1) for line in lines))
    return Footnotes(marks, tuple(numbers))


def write_notes(said: Mapping[tuple[str, str], Remark], out_dir: Path) -> None:
    """Write `notes.csv`: a row a line that was said of a map."""
    rows = [
        [name, method, subject, line]
        for (name, method), entry in said.items()
        for subject, lines in entry.subjects.items()
        for line in lines
    ]
    frame = pd.DataFrame(rows, columns=["set", "method", "subject", "note"])
    write_text_atomic(out_dir / "notes.csv", csv_text(frame))


def _said(path: Path) -> Remark:
    with reading(path, "the record of a method's maps", "reconstruct again"):
        return _remark(json.loads(path.read_text(encoding="utf-8"))["scans"])


def _remark(every: Sequence[Mapping[str, Any]]) -> Remark:
    scans = [scan for scan in every if scan["status"] == "ok"]
    subjects = {str(scan["scan"]): tuple(map(str, scan.get("notes", ()))) for scan in scans}
    kinds: dict[str, list[str]] = {}
    for lines in subjects.values():
        for kind, line in {_NUMBER.sub("#", line): line for line in lines}.items():
            kinds.setdefault(kind, []).append(line)
    caveats = tuple(Caveat(lines[0], len(lines), len(scans), len(set(lines)) > 1) for lines in kinds.values())
    courses = [[c for c in scan.get("convergence", ()) if c["tolerance"] > 0] for scan in scans]
    iterated = [course for course in courses if course]
    converged = [all(c["converged"] for c in course) for course in iterated]
    return Remark(caveats, subjects, len(iterated), sum(converged))
