"""The numbers behind the page's tables and plots of one's choice, as JSON: summaries, and every subject's values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from qsmbench.report.cards import method_kind
from qsmbench.report.conditions import Condition
from qsmbench.report.display import Display
from qsmbench.report.scores import WHOLE_MASK

# Beyond this many single values a page keeps those of the whole mask alone.
MOST_VALUES = 200_000
_DIGITS = 6


def explorer_data(
    scores: pd.DataFrame, summary: pd.DataFrame, display: Display, conditions: Sequence[Condition]
) -> dict[str, Any]:
    """Return what the explorer's scripts need, with numbers of six digits and null for none.

    Args:
        scores: checked.
        summary: of `qsmbench.report.statistics.summarise`.
        display: labels and order.
        conditions: what subjects differ in, to plot against.
    """
    shown = scores if len(scores) <= MOST_VALUES else scores[scores["region"] == WHOLE_MASK]
    regions = list(dict.fromkeys(summary["region"]))
    sets = [name for name in display.sets if (summary["set"] == name).any()]
    methods = {method: i for i, method in enumerate(display.methods)}
    return {
        "sets": [{"id": name, "label": display.sets[name].label, "stage": set_stage(display, name)} for name in sets],
        "methods": [
            {"id": method, "label": info.label, "kind": method_kind(display, method), "begins": info.begins}
            for method, info in display.methods.items()
        ],
        "metrics": [
            {
                "id": name,
                "label": info.label,
                "unit": info.unit,
                "better": info.better if display.is_ranked(name) else "",
                "decimals": display.decimals(name),
            }
            for name, info in display.metrics.items()
        ],
        "regions": [{"id": r, "label": "whole mask" if r == WHOLE_MASK else r} for r in regions],
        "summary": [
            [
                row["set"], methods[row["method"]], row["metric"], row["region"], int(row["n"]), int(row["n_failed"]),
                *(number(row[name]) for name in ("mean", "sd", "median", "ci_low", "ci_high")),
            ]
            for _, row in summary.iterrows()
        ],
        "values": _values(shown, methods),
        "conditions": [
            {"label": c.label, "values": {s: {k: number(v) for k, v in of.items()} for s, of in c.values.items()}}
            for c in conditions
            if c.varies
        ],
    }  # fmt: skip


def set_stage(display: Display, name: str) -> str:
    """From which field a set's methods begin: its true one, one of another background removal, or the prepared one."""
    kind = (display.config.get("acquisitions", {}).get(name) or {}).get("kind", "")
    return kind if kind in ("isolated", "removal") else "composed" if kind else "synthetic"


def _values(scores: pd.DataFrame, methods: Mapping[str, int]) -> list[list[Any]]:
    """Of each set, metric and region: subjects, and a row a method of their values."""
    found = []
    for (name, metric, region), rows in scores.groupby(["set", "metric", "region"], sort=False):
        table = rows.pivot(index="subject", columns="method", values="value").sort_index()
        columns = [
            [methods[str(m)], [number(v) for v in table[m]]] for m in sorted(table, key=lambda m: methods[str(m)])
        ]
        found.append([name, metric, region, [str(s) for s in table.index], columns])
    return found


def number(value: float) -> float | None:
    """Six digits; None for what is no number.

    >>> number(0.12345678), number(float("nan"))
    (0.123457, None)
    """
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
