"""Runtime and memory of every method, in files of their own: unlike scores they differ from run to run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from tabulate import tabulate

from qsmbench.data.atomic import write_text_atomic
from qsmbench.report.display import Display
from qsmbench.report.formats import markdown
from qsmbench.report.plain_csv import csv_text
from qsmbench.report.results import MethodCost

HEADINGS = ("Set", "Method", "n", "Mean (s)", "Median (s)", "Longest (s)", "Memory (MB)")


def cost_rows(found: Sequence[MethodCost], display: Display) -> list[list[str]]:
    """Print each cost as a row of `HEADINGS`."""
    return [
        [
            display.sets[c.set].label,
            display.methods[c.method].label,
            str(c.n),
            *(f"{seconds:.3g}" for seconds in (c.mean, c.median, c.most)),
            "–" if c.memory is None else f"{c.memory:.0f}",
        ]
        for c in found
    ]


def write_costs(found: Sequence[MethodCost], display: Display, out_dir: Path) -> None:
    """Write `runtime.csv` (numbers) and `runtime.md`."""
    frame = pd.DataFrame(
        [[c.set, c.method, c.n, c.mean, c.median, c.most, c.memory] for c in found],
        columns=["set", "method", "n", "seconds_mean", "seconds_median", "seconds_most", "memory_mb"],
    )
    csv = csv_text(frame)
    write_text_atomic(out_dir / "runtime.csv", csv)
    rows = [[markdown(text) for text in row] for row in cost_rows(found, display)]
    body = tabulate(rows, headers=list(HEADINGS), tablefmt="pipe", disable_numparse=True)
    note = "Wall time of one reconstruction; memory is the largest resident size of the job that ran them all."
    write_text_atomic(out_dir / "runtime.md", f"### Runtime and memory\n\n{body}\n\n{note}\n")
