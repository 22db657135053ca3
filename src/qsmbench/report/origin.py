"""For an auditor: what made the numbers, with digests, what it ran on, and what to type to make them again."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from qsmbench.core.damage import reading
from qsmbench.data.layout import RunLayout
from qsmbench.report.display import Display

# These write or follow the report, so that what they leave cannot be in it.
_AFTER = {"report", "crate", "method-table", "audit"}
_HASHES = ("code_version", "config_hash", "weights_hash", "data_hash")


@dataclass(frozen=True)
class Backing:
    """What stands behind a method's scores on one set: distinct values of each trace."""

    set: str
    method: str
    n: int
    code: tuple[str, ...]
    config: tuple[str, ...]
    weights: tuple[str, ...]
    data: tuple[str, ...]


@dataclass(frozen=True)
class Origin:
    """All that the section shows.

    Attributes:
        made: a row a set and method.
        tables: SHA-256 of every table, by file.
        jobs: (step, number of jobs that left a record).
        environments: (name, facts) of every machine that took part.
    """

    made: tuple[Backing, ...]
    tables: Mapping[str, str]
    jobs: tuple[tuple[str, int], ...]
    environments: tuple[tuple[str, Mapping[str, Any]], ...]


def read_origin(layout: RunLayout, display: Display, scores: pd.DataFrame, tables: Mapping[str, str]) -> Origin:
    """Gather traces of the scores, digests of the tables, and what the jobs' records say.

    Args:
        layout: of the results folder.
        display: labels.
        scores: checked.
        tables: text by file name.

    Raises:
        InputError: an environment's file that cannot be read.
    """
    made = []
    for (name, method), rows in scores.groupby(["set", "method"], sort=False):
        traces = [
            tuple(sorted({str(v) for v in rows[column].dropna() if str(v)})) if column in rows else ()
            for column in _HASHES
        ]
        label = display.methods[str(method)].label
        made.append(Backing(display.sets[str(name)].label, label, rows["subject"].nunique(), *traces))
    counts = Counter(path.stem.rpartition("-")[0] for path in layout.records.glob("*.json"))
    environments = []
    for path in sorted((layout.records.parent / "environments").glob("*.json")):
        with reading(path, "an environment", "run 'qsmbench audit' on the folder"):
            found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            environments.append((path.stem, _plain(found)))
    digests = {name: hashlib.sha256(text.encode("utf-8")).hexdigest() for name, text in tables.items()}
    return Origin(
        tuple(made),
        digests,
        tuple(sorted((step, n) for step, n in counts.items() if step and step not in _AFTER)),
        tuple(environments),
    )


def _plain(found: Mapping[str, Any]) -> dict[str, Any]:
    """The facts in their order, a line each; packages apart, as there are hundreds."""
    lines: dict[str, Any] = {}
    for key, value in found.items():
        if isinstance(value, dict):
            inner = {str(k): v for k, v in value.items()}
            lines[str(key)] = inner if key == "packages" else "; ".join(f"{k} {_text(v)}" for k, v in inner.items())
        else:
            lines[str(key)] = _text(value)
    return lines


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(v) for v in value) or "none"
    return str(value)
