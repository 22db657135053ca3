"""Two results folders against each other: what was set, what made them, from what, and which scores moved.

What the folders say of themselves is compared; whether it is true of their files is the audit's question. Nothing of
them is computed again, and nothing is written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from qsmbench.audit.check import MOST_LINES
from qsmbench.audit.moved import ABSENT, Line, Scores, compare_rows, read_rows
from qsmbench.audit.run_folder import RunFolder
from qsmbench.audit.unpack import opened
from qsmbench.core.damage import reading, shown
from qsmbench.core.errors import InputError
from qsmbench.provenance.crate import crate_digest
from qsmbench.provenance.crate_graph import CONFIG
from qsmbench.provenance.manifest import CRATE
from qsmbench.provenance.record import ENVIRONMENTS
from qsmbench.provenance.version import code_version

# Where results lie is no setting of theirs.
_NO_SETTING = ("results",)
_MACHINE = ("system", "libc", "hardware", "libraries", "thread_variables")
# Of a job; others of its threads are those of libraries that it happened to load.
_THREADS = "torch"


@dataclass
class DiffPart:
    """One kind of thing that may differ.

    Attributes:
        name: one word.
        title: what it asks, for people.
        counts: whether a difference makes the runs different; of machines it is only told.
        n: how many things were compared.
        lines: what differs.
        left_out: how many more do.
        notes: what a reader should know beside.
    """

    name: str
    title: str
    counts: bool = True
    n: int = 0
    lines: list[Line] = field(default_factory=list)
    left_out: int = 0
    notes: list[str] = field(default_factory=list)

    def compare(self, a: Mapping[str, str], b: Mapping[str, str]) -> None:
        """Compare what each side says by name; both sides' order is kept."""
        for key in dict.fromkeys([*a, *b]):
            self.n += 1
            if a.get(key) != b.get(key) and not _is_empty_beside(key, a, b):
                self.add(Line.of(key, a.get(key, ABSENT), b.get(key, ABSENT)))

    def add(self, line: Line) -> None:
        """Note a difference, or where there are too many for anybody to read, that there is one more."""
        if len(self.lines) < MOST_LINES:
            self.lines.append(line)
        else:
            self.left_out += 1


def _is_empty_beside(key: str, a: Mapping[str, str], b: Mapping[str, str]) -> bool:
    """Whether one side has an empty mapping where the other has keys, which are told one by one."""
    sides = ((a, b), (b, a))
    return any(one.get(key) == "{}" and any(k.startswith(f"{key}.") for k in other) for one, other in sides)


@dataclass
class Difference:
    """What came out.

    Attributes:
        names: of the two sides, as they were given.
        digests: of everything, empty where a folder has no crate.
        made_by: version of the code that compared.
        parts: in order.
        scores: what moved; its lines are those of the part "scores".
    """

    names: tuple[str, str]
    digests: tuple[str, str]
    made_by: str
    parts: list[DiffPart] = field(default_factory=list)
    scores: Scores = field(default_factory=Scores)

    @property
    def equal(self) -> bool:
        """Whether nothing that counts differs."""
        return not self.scores.moved and not any(part.lines for part in self.parts if part.counts)

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        moved = self.scores.moved
        return {
            "format": "qsmbench-diff-1",
            "equal": self.equal,
            "a": {"results": self.names[0], "digest": self.digests[0]},
            "b": {"results": self.names[1], "digest": self.digests[1]},
            "code_version": self.made_by,
            "parts": [asdict(part) for part in self.parts],
            "scores": {
                "n": self.scores.n,
                "n_same": self.scores.n_same,
                "n_close": self.scores.n_close,
                "n_moved": len(moved),
                "moved": [asdict(row) for row in moved],
            },
        }


@dataclass(frozen=True)
class _Side:
    """One of the two: its name as it was given, its folder, its scores where it has any."""

    name: str
    run: RunFolder
    rows: pd.DataFrame | None


# What a side says of one kind of thing, by name; a list takes what it cannot say.
_Facts = Callable[[_Side, list[str]], Iterator[tuple[str, str]]]


def compare(a: Path, b: Path) -> Difference:
    """Compare two results folders, or zips of such.

    Raises:
        InputError: one is no results folder, has something odd in it (links, pipes, names that climb), or holds files
            that cannot be read.
    """
    with ExitStack() as stack:
        sides = [_opened(path, stack) for path in (a, b)]
        digests = [crate_digest(side.run.path) if side.run.has(CRATE) else "" for side in sides]
        made = Difference((sides[0].name, sides[1].name), (digests[0], digests[1]), code_version())
        for name, title, counts, facts in _PARTS:
            part = DiffPart(name, title, counts)
            part.compare(*(_said(facts, side, part) for side in sides))
            made.parts.append(part)
        part = DiffPart("scores", "Are the same things scored, with a number on both sides?")
        rows = [side.rows for side in sides]
        if rows[0] is not None and rows[1] is not None:
            made.scores = compare_rows(rows[0], rows[1])
            part.n = made.scores.n
            for line in made.scores.lines:
                part.add(line)
        else:
            part.compare(*({} if table is None else {"scores.parquet": f"{len(table)} scores"} for table in rows))
        made.parts.append(part)
        if digests[0] and digests[0] == digests[1] and not made.equal:
            part.notes.append("The digests are the same and the contents are not: a folder was changed after its crate "
                              "was made; qsmbench audit tells which.")  # fmt: skip
        return made


def _opened(path: Path, stack: ExitStack) -> _Side:
    name = shown(path)
    folder, odd = stack.enter_context(opened(path))
    if odd:
        more = f" (and {len(odd) - 1} more)" if len(odd) > 1 else ""
        raise InputError(f"{name}: {odd[0].path} {odd[0].text}{more}; nothing of it was read")
    run = RunFolder(folder)
    if not run.has(CONFIG):
        raise InputError(f"{name} is no results folder: it has no {CONFIG}")
    with reading(name, "results"):
        return _Side(name, run, read_rows(run.layout.all_scores) if run.has(run.layout.all_scores) else None)


def _said(facts: _Facts, side: _Side, part: DiffPart) -> dict[str, str]:
    """What one side says; whatever a damaged file makes it raise is one line."""
    notes: list[str] = []
    with reading(side.name, "results"):
        found = dict(facts(side, notes))
    part.notes += [f"{side.name}: {shown(note)}" for note in notes]
    return found


def leaves(content: Any) -> Iterator[tuple[str, str]]:
    """Every value of a JSON content with its path; a list of plain values is one value.

    >>> dict(leaves({"a": {"b": 1, "c": [1, 2]}, "d": [{"e": None}]}))
    {'a.b': '1', 'a.c': '[1, 2]', 'd[0].e': 'null'}
    """
    waiting = [("", content)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict) and value:
            waiting += [(f"{path}.{key}" if path else key, inner) for key, inner in reversed(value.items())]
        elif isinstance(value, list) and any(isinstance(inner, dict | list) for inner in value):
            waiting += [(f"{path}[{i}]", value[i]) for i in reversed(range(len(value)))]
        else:
            yield path, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _settings(side: _Side, notes: list[str]) -> Iterator[tuple[str, str]]:
    yield from leaves({key: value for key, value in side.run.resolved.items() if key not in _NO_SETTING})


def _versions(side: _Side, notes: list[str]) -> Iterator[tuple[str, str]]:
    """Code, Python and packages of the jobs, and what is recorded of methods that are not ours."""
    found: dict[str, set[str]] = {}
    for job in side.run.jobs:
        for key, value in leaves(job.content["code"]):
            found.setdefault(f"code, {key}", set()).add(value)
    for environment in _environments(side, notes):
        for key in ("python", "packages"):
            for name, value in leaves({key: environment.get(key, {})}):
                found.setdefault(name, set()).add(value)
    for path in sorted(side.run.layout.map_status("*", "*").parent.parent.glob("*/*.json")):
        made = side.run.json(side.run.name(path))
        # Sets share their methods: one line tells.
        for name, value in leaves(made.get("origin") or {}) if isinstance(made, dict) else ():
            if name:
                found.setdefault(f"method {path.stem}, {name}", set()).add(value)
    yield from _joined(found)


def _inputs(side: _Side, notes: list[str]) -> Iterator[tuple[str, str]]:
    """Files from outside the folder by name, data of the scored subjects, weights."""
    found: dict[str, set[str]] = {}
    for job in side.run.jobs:
        for about in job.content["external"]:
            found.setdefault(f"file {about['name']}", set()).add(f"SHA-256 {about['sha256']}")
    for column, keys, word in (
        ("data_hash", ["set", "subject"], "data"),
        ("weights_hash", ["set", "method"], "weights"),
    ):
        if side.rows is None:
            break
        rows = side.rows[side.rows[column] != ""].drop_duplicates([*keys, column])
        for row in rows.to_dict("records"):
            name = f"{word} of {' / '.join(row[key] for key in keys)}"
            found.setdefault(name, set()).add(f"SHA-256 {row[column]}")
    yield from _joined(found)


def _heads(side: _Side, notes: list[str]) -> Iterator[tuple[str, str]]:
    about = side.run.layout.source_about
    if side.run.has(about):
        yield from leaves(side.run.json(side.run.name(about)))


def _machine(side: _Side, notes: list[str]) -> Iterator[tuple[str, str]]:
    """Hardware and threads; what a job did not load it does not tell, and so a set of values stands for all jobs."""
    found: dict[str, set[str]] = {}
    for environment in _environments(side, []):
        for key in _MACHINE:
            value = environment.get(key, "unknown")
            for name, inner in value.items() if isinstance(value, dict) else [("", value)]:
                texts = inner if isinstance(inner, list) else [inner]
                found.setdefault(f"{key}, {name}" if name else key, set()).update(map(str, texts))
    for job in side.run.jobs:
        if _THREADS in job.content["threads"]:
            found.setdefault("threads of torch", set()).add(str(job.content["threads"][_THREADS]))
    yield from _joined(found)


def _environments(side: _Side, notes: list[str]) -> Iterator[dict[str, Any]]:
    """What the jobs ran on."""
    if not side.run.jobs:
        notes.append("there are no records of jobs, so that nothing tells what they ran on.")
    if side.run.broken_records:
        notes.append(f"{len(side.run.broken_records)} records of jobs cannot be read.")
    for name in sorted({str(job.content["environment"]) for job in side.run.jobs}):
        try:
            content = side.run.json(f"{ENVIRONMENTS}/{name}.json")
        except InputError as error:
            notes.append(str(error))
            continue
        if isinstance(content, dict):
            yield content


def _joined(found: Mapping[str, set[str]]) -> Iterator[tuple[str, str]]:
    for name, values in found.items():
        yield name, ", ".join(sorted(map(str, values)))


_PARTS: tuple[tuple[str, str, bool, _Facts], ...] = (
    ("settings", "Do the configurations say the same?", True, _settings),
    ("versions", "Did the same code and packages make them?", True, _versions),
    ("inputs", "Were they made from the same data?", True, _inputs),
    ("heads", "Are the heads of the synthetic sets the same?", True, _heads),
    ("machine", "Did they run on the same machine, with the same threads?", False, _machine),
)
