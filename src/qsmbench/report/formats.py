"""One table as CSV (numbers), Markdown and LaTeX (booktabs); the page has its own template for the same `Table`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from tabulate import tabulate

from qsmbench.data.atomic import write_text_atomic
from qsmbench.report.display import Display
from qsmbench.report.plain_csv import csv_text
from qsmbench.report.scores import WHOLE_MASK
from qsmbench.report.tables import (
    Cell,
    Column,
    Row,
    Table,
    build_table,
    chosen_rows,
    file_stem,
    paper_table,
)

NO_VALUE = "–"
_MARKDOWN = frozenset("\\`*_[]<>|")
_ARROWS = {"lower": "↓", "higher": "↑", "": ""}
_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "°": r"$^\circ$",
    "µ": r"$\mu$",
    "λ": r"$\lambda$",
    "χ": r"$\chi$",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "–": "--",
}


def write_tables(
    summary: pd.DataFrame, display: Display, out_dir: Path, comparisons: pd.DataFrame | None = None
) -> list[Path]:
    """Write every table of `make_tables` into a folder; return the files in the order they were written."""
    made = make_tables(summary, display, comparisons)
    for name, text in made.items():
        write_text_atomic(out_dir / name, text)
    return [out_dir / name for name in made]


def make_tables(summary: pd.DataFrame, display: Display, comparisons: pd.DataFrame | None = None) -> dict[str, str]:
    """Make the tables of the sets, those of the display's own, and `all.csv` and `comparisons.csv` (tidy).

    A set has `<set>.csv` with everything, `<set>.md` and `<set>.tex` for the whole mask, and, where there are regions,
    `<set>-regions.md` and `<set>-regions.tex`.

    The same scores give the same bytes: fixed formats, fixed order, no dates.

    Returns:
        What stands in each, by the file's name, in their order.
    """
    made: dict[str, str] = {}
    for set_name in display.sets:
        table = build_table(summary, display, set_name, comparisons, "whole")
        if not table.rows:
            continue
        stem = file_stem(set_name)
        made[f"{stem}.csv"] = to_csv(summary, display, set_name)
        made[f"{stem}.md"] = to_markdown(table)
        made[f"{stem}.tex"] = to_latex(table)
        regions = build_table(summary, display, set_name, comparisons, "regions")
        if regions.rows:
            made[f"{stem}-regions.md"] = to_markdown(regions)
            made[f"{stem}-regions.tex"] = to_latex(regions, "-regions")
    for name in display.tables:
        table = paper_table(summary, display, name, comparisons)
        made[f"{name}.csv"] = _tidy(chosen_rows(summary, display, name)[0])
        made[f"{name}.md"] = to_markdown(table)
        made[f"{name}.tex"] = to_latex(table)
    made["all.csv"] = _tidy(summary)
    if comparisons is not None:
        made["comparisons.csv"] = _tidy(comparisons)
    return made


def to_csv(summary: pd.DataFrame, display: Display, set_name: str) -> str:
    """One line a method, its label, n and n_failed, then mean, SD and median of each metric as numbers."""
    part = summary[summary["set"] == set_name]
    lines = []
    for method, info in display.methods.items():
        own = part[part["method"] == method]
        if own.empty:
            continue
        line: dict[str, object] = {
            "method": method,
            "label": info.label,
            "n": int((own["n"] + own["n_undefined"]).max()),
            "n_failed": int(own["n_failed"].max()),
        }
        for _, row in own.iterrows():
            stem = row["metric"] if row["region"] == WHOLE_MASK else f"{row['metric']}_{row['region']}"
            line |= {f"{stem}_{statistic}": row[statistic] for statistic in ("mean", "sd", "median")}
        lines.append(line)
    return csv_text(pd.DataFrame(lines))


def to_markdown(table: Table) -> str:
    """A heading, a pipe table and the note below it."""
    header = ["Method", "n", "failed", *(heading(c) for c in table.columns)]
    rows = [
        [markdown(row.label), str(row.n), str(row.n_failed), *(_markdown_cell(cell, row) for cell in row.cells)]
        for row in table.rows
    ]
    body = tabulate(
        rows,
        headers=[markdown(text) for text in header],
        tablefmt="pipe",
        colalign=("left", *["right"] * (len(header) - 1)),
        disable_numparse=True,
    )
    return f"### {markdown(table.title)}\n\n{body}\n\n{markdown(table.note)}\n"


def to_latex(table: Table, suffix: str = "") -> str:
    r"""A `table` environment with booktabs rules, to be included with `\input`; ``suffix`` ends its label."""
    header = ["Method", "$n$", *(latex(heading(c)) for c in table.columns)]
    rows = [
        [latex(row.label), latex(_count(row)), *(_latex_cell(cell, row) for cell in row.cells)] for row in table.rows
    ]
    lines = [
        r"% Needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex(table.title)}. {latex(table.note)}}}",
        rf"\label{{tab:qsmbench-{file_stem(table.name)}{suffix}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
        r"\toprule",
        " & ".join(header) + r" \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def heading(column: Column) -> str:
    """Label, unit and the arrow that says which way is better: "RMSE (%) ↓"."""
    unit = f" ({column.unit})" if column.unit else ""
    return f"{column.label}{unit} {_ARROWS[column.better]}".strip()


def cell_text(cell: Cell, row: Row) -> str:
    """The score without marks, with its own n where a metric is undefined for some subjects."""
    if not cell.mean:
        return "failed" if row.n == 0 else NO_VALUE
    text = f"{cell.mean} ± {cell.sd}" if cell.sd else cell.mean
    return text if cell.n == row.n else f"{text} (n = {cell.n})"


def latex(text: str) -> str:
    r"""Escape text for LaTeX.

    >>> print(latex("RMSE (%), a_b & 3 ± 1"))
    RMSE (\%), a\_b \& 3 $\pm$ 1
    """
    return "".join(_LATEX.get(character, character) for character in text)


def markdown(text: str) -> str:
    r"""Escape text for Markdown (CommonMark 0.31, 2.4): nothing in a label is markup, nor HTML.

    >>> print(markdown("<b>a_b</b> | c*"))
    \<b\>a\_b\</b\> \| c\*
    """
    return "".join(f"\\{c}" if c in _MARKDOWN else c for c in text)


def _tidy(table: pd.DataFrame) -> str:
    return csv_text(table)


def _markdown_cell(cell: Cell, row: Row) -> str:
    text = cell_text(cell, row)
    return (f"**{text}**" if cell.best else text) + ("\\*" if cell.significant else "")


def _latex_cell(cell: Cell, row: Row) -> str:
    text = latex(cell_text(cell, row))
    return (rf"\textbf{{{text}}}" if cell.best else text) + ("$^{*}$" if cell.significant else "")


def _count(row: Row) -> str:
    return f"{row.n} ({row.n_failed} failed)" if row.n_failed else str(row.n)
