"""Every subject's score as a dot: what a mean and an SD hide."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from qsmbench.report.display import Display
from qsmbench.report.formats import heading
from qsmbench.report.png import fixed_style, png_bytes
from qsmbench.report.scores import WHOLE_MASK
from qsmbench.report.tables import Column, Table

MAX_METRICS = 4


def shown_columns(table: Table) -> list[Column]:
    """The first ranked metrics on the whole mask."""
    return [c for c in table.columns if c.better and c.region == WHOLE_MASK][:MAX_METRICS]


def distribution_figure(
    scores: pd.DataFrame, summary: pd.DataFrame, display: Display, set_name: str, columns: Sequence[Column]
) -> bytes:
    """Draw a panel a metric: a row a method, a dot a subject, a line at the mean, a bar over its 95 % interval.

    Args:
        scores: tidy rows, checked.
        summary: from `qsmbench.report.statistics.summarise`.
        display: labels and order.
        set_name: which set.
        columns: which metrics.

    Returns:
        A PNG.
    """
    own = scores[(scores["set"] == set_name) & (scores["region"] == WHOLE_MASK)]
    means = summary[(summary["set"] == set_name) & (summary["region"] == WHOLE_MASK)]
    methods = [method for method in display.methods if (own["method"] == method).any()]
    with fixed_style():
        figure = Figure(
            figsize=(2 + 2.6 * len(columns), 0.9 + 0.34 * len(methods)),
            dpi=110,
            layout=ConstrainedLayoutEngine(wspace=0.06),
        )
        panels = figure.subplots(1, len(columns), squeeze=False, sharey=True)[0]
        for axes, column in zip(panels, columns, strict=True):
            for y, method in enumerate(methods):
                values = own.loc[(own["method"] == method) & (own["metric"] == column.metric), "value"].dropna()
                axes.plot(values, np.full(len(values), y), "o", ms=4, color="#1f4e8c", alpha=0.6, mew=0)
                found = means[(means["method"] == method) & (means["metric"] == column.metric)]
                for mean, low, high in zip(found["mean"], found["ci_low"], found["ci_high"], strict=True):
                    axes.plot([mean, mean], [y - 0.28, y + 0.28], color="black", lw=1.5)
                    axes.plot([low, high], [y, y], color="black", lw=1.5)
            axes.set_title(heading(column))
            axes.grid(True, axis="x", color="#dddddd", lw=0.6)
            axes.set_axisbelow(True)
            axes.spines[["top", "right", "left"]].set_visible(False)
            axes.tick_params(axis="y", length=0)
        panels[0].set_yticks(range(len(methods)), [display.methods[method].label for method in methods])
        panels[0].set_ylim(len(methods) - 0.5, -0.5)
        return png_bytes(figure)
