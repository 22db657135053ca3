"""Every table that scores give, in text: what the report writes and an audit makes again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
from tabulate import tabulate

from qsmbench.report.comparisons import compare
from qsmbench.report.display import Display
from qsmbench.report.formats import make_tables, markdown
from qsmbench.report.plain_csv import csv_text
from qsmbench.report.stages import HEADINGS, StageTable, stage_tables
from qsmbench.report.statistics import summarise


@dataclass(frozen=True)
class AllTables:
    """What is made of scores.

    Attributes:
        summary: a row a set, method, metric and region.
        comparisons: with the baseline.
        stages: of sets that were evaluated stage by stage.
        texts: by the file's name, in their order.
    """

    summary: pd.DataFrame
    comparisons: pd.DataFrame
    stages: tuple[StageTable, ...]
    texts: dict[str, str]


def all_tables(scores: pd.DataFrame, display: Display) -> AllTables:
    """Make every table of checked scores."""
    summary, comparisons = summarise(scores, display), compare(scores, display)
    stages = tuple(stage_tables(scores, display))
    texts = make_tables(summary, display, comparisons)
    for table in stages:
        texts |= {f"{table.stem}.csv": stage_csv(table), f"{table.stem}.md": stage_markdown(table)}
    return AllTables(summary, comparisons, stages, texts)


def stage_csv(table: StageTable) -> str:
    """Rows of numbers: methods on the true and the prepared field, then pairs of background removal and method."""
    return csv_text(pd.DataFrame([*_rows(table), *_pairs(table)]))


def _rows(table: StageTable) -> Iterator[dict[str, object]]:
    for row in table.rows:
        yield {
            "set": table.name,
            "method": row.method,
            "background": "",
            "n": row.n,
            "true_field": row.isolated,
            "prepared_field": row.composed,
            "share_of_inversion_percent": row.share,
        }


def _pairs(table: StageTable) -> Iterator[dict[str, object]]:
    if table.pairs is None:
        return
    for removal, line in zip(table.pairs.removals, table.pairs.errors, strict=True):
        for method, error in zip(table.pairs.methods, line, strict=True):
            yield {"set": table.name, "method": method, "background": removal, "prepared_field": float(error)}


def stage_markdown(table: StageTable) -> str:
    """Both tables, the best background removal of each inversion bold."""
    parts = [f"### {markdown(table.title)}"]
    if table.rows:
        body = [[markdown(label), *(text for text, _ in cells)] for label, cells in table.printed()]
        parts += [_pipe(body, HEADINGS), markdown(table.note)]
    if table.pairs is not None:
        body = [
            [markdown(removal), *(f"**{text}**" if best else text for text, best in line)]
            for removal, line in zip(table.pairs.removals, table.printed_pairs(), strict=True)
        ]
        parts += [_pipe(body, ("Background by", *map(markdown, table.pairs.labels))), markdown(table.pairs_note)]
    return "\n\n".join(parts) + "\n"


def _pipe(body: list[list[str]], header: tuple[str, ...]) -> str:
    aligned = ("left", *["right"] * (len(header) - 1))
    return tabulate(body, header, "pipe", colalign=aligned, disable_numparse=True)
