"""Every table again, from the scores: each cell compared by itself, and traced to the rows that it is made of."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd

from qsmbench.audit.check import Check
from qsmbench.audit.run_folder import RunFolder
from qsmbench.benchmark.display import display as make_display
from qsmbench.core.errors import InputError
from qsmbench.data.layout import RunLayout
from qsmbench.report.all_tables import all_tables
from qsmbench.report.display import Display, read_display
from qsmbench.report.scores import read_scores

_LAYOUT = RunLayout(Path())
TABLES, DISPLAY = str(_LAYOUT.tables), str(_LAYOUT.display)


def check_tables(run: RunFolder, check: Check) -> pd.DataFrame:
    """Make the tables from the scores, in memory, and compare each cell.

    Returns:
        One row a cell of the summary (`all.csv`): which scores it is the mean of.
    """

    def remade() -> tuple[pd.DataFrame, pd.DataFrame, dict[str, str]]:
        display = read_display(run.path / DISPLAY)
        check.guarded(DISPLAY, partial(_check_display, run, check, display), None)
        scores = read_scores(run.layout.all_scores, display)
        made = all_tables(scores, display)
        return scores, made.summary, made.texts

    found = check.guarded("scores.parquet: no tables can be made of it", remade, None)
    if found is None:
        return pd.DataFrame()
    scores, summary, made = found
    cells = sum(_compare(check, run.path / TABLES / name, text) for name, text in sorted(made.items()))
    for path in sorted((run.path / TABLES).glob("*")):
        if path.name not in made:
            check.find("added", f"{TABLES}/{path.name}", "is no table of this run")
    check.n = f"{cells} cells of {len(made)} tables"
    return _trace(summary, scores)


def _check_display(run: RunFolder, check: Check, display: Display) -> None:
    """The order, labels and choice of what is shown follow from the configuration."""
    if display.config != run.resolved:
        check.find("contradiction", DISPLAY, "was made for another configuration")
    try:
        expected = make_display(run.of)
    except InputError as error:
        check.skipped.append(f"{DISPLAY} against the configuration: this version cannot make it ({error})")
        return
    # What made it is compared elsewhere, and is another's where another version audits.
    found = run.json(DISPLAY)
    for key in expected:
        if key != "provenance" and _plain(expected[key]) != _plain(found.get(key)):
            if run.same_code:
                check.find("contradiction", f"{DISPLAY}, {key}", "is not what the configuration makes")
            else:
                check.notes.append(f"{DISPLAY}, {key}: this version of the code makes it otherwise.")


def _plain(value: object) -> object:
    """Tuples as JSON has them."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def _compare(check: Check, stored: Path, new: str) -> int:
    where = f"{TABLES}/{stored.name}"
    if not stored.is_file():
        check.find("missing", where, "the table is not there")
        return 0
    try:
        old = stored.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        check.find("changed", where, "is no text")
        return 0
    ours, theirs = dict(_cells(new, stored.suffix)), dict(_cells(old, stored.suffix))
    before = len(check.findings)
    for key, value in ours.items():
        if theirs.get(key) != value:
            row, column = key
            text = f"says {theirs.get(key, 'nothing')!r}, the scores give {value!r}"
            check.find("cell", f"{where}, row {row}, column {column}", text)
    for row, column in theirs.keys() - ours.keys():
        text = f"says {theirs[row, column]!r}, the scores give no such cell"
        check.find("cell", f"{where}, row {row}, column {column}", text)
    if old != new and len(check.findings) == before:
        check.find("changed", where, "differs from the table of the scores outside its cells")
    return len(ours)


def _cells(text: str, suffix: str) -> Iterator[tuple[tuple[str, str], str]]:
    """The cells of a table, each by its row and its column; lines outside a table are rows of their own."""
    lines = text.splitlines()
    if suffix == ".csv":
        rows = list(csv.reader(io.StringIO(text)))
        yield from _named(rows[0], rows[1:]) if rows else ()
        return
    start, split, skip = ("|", _markdown_cells, 1) if suffix == ".md" else ("", _latex_cells, 0)
    inside = [i for i, line in enumerate(lines) if (line.startswith("|") if start else line.endswith(r" \\"))]
    for number, line in enumerate(lines, start=1):
        if number - 1 not in inside:
            yield (f"line {number}", "text"), line
    if inside:
        table = [split(lines[i]) for i in inside]
        yield from _named(table[0], table[1 + skip :])


def _named(header: list[str], rows: list[list[str]]) -> Iterator[tuple[tuple[str, str], str]]:
    """Name rows by the columns that tell them apart, or by number where those repeat."""
    for i, name in enumerate(header):
        yield ("heading", str(i + 1)), name
    keys = [i for i, name in enumerate(header) if name in ("set", "method", "metric", "region", "Method")] or [0]
    used: dict[str, int] = {}
    for row in rows:
        name = " / ".join(row[i] for i in keys if i < len(row))
        used[name] = used.get(name, 0) + 1
        if used[name] > 1:
            name = f"{name} ({used[name]})"
        for i, value in enumerate(row):
            yield (name, header[i] if i < len(header) else str(i + 1)), value


def _markdown_cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split(" | ")]


def _latex_cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.removesuffix(r" \\").split(" & ")]


def _trace(summary: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Each cell of the summary with the subjects whose scores it is the mean of, and the data behind them."""
    rows = []
    grouped = dict(iter(scores.groupby(["set", "method", "metric", "region"], sort=False, observed=True)))
    for row in summary.to_dict("records"):
        own = grouped.get((row["set"], row["method"], row["metric"], row["region"]))
        used = own[own["value"].notna()] if own is not None else scores.iloc[:0]
        rows.append(
            {key: row[key] for key in ("set", "method", "metric", "region", "n", "mean")}
            | {
                "subjects": " ".join(used["subject"]),
                "data": " ".join(text[:12] for text in used.get("data_hash", [])),
                "weights": " ".join(sorted({text[:12] for text in used.get("weights_hash", []) if text})),
            }
        )
    return pd.DataFrame(rows)
