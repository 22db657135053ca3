"""Every method's errors beside its cost: accuracy, seconds and memory in one Markdown table a set.

Times and memory differ from run to run, so this table stands beside the report and not among its tables.
"""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
from tabulate import tabulate

from qsmbench.benchmark.display import run_label
from qsmbench.benchmark.run import Run
from qsmbench.core.damage import reading
from qsmbench.data.atomic import write_text_atomic
from qsmbench.metrics.case import WHOLE_MASK
from qsmbench.metrics.registry import METRICS
from qsmbench.report.formats import markdown
from qsmbench.report.tables import fixed

SHOWN = ("rmse", "hfen", "ssim", "xsim")


def write_method_table(of: Run) -> None:
    """Write the table of every set that is scored, as Markdown."""
    config, layout = of.config, of.layout
    table = pd.read_parquet(layout.all_scores)
    table = table[(table["region"] == WHOLE_MASK) & (table["status"] == "ok")]
    means = table.groupby(["set", "method", "metric"])["value"].mean()
    shown = [m for m in SHOWN if m in set(table["metric"])]
    head = [f"{METRICS[m].label}{f' ({METRICS[m].unit})' if METRICS[m].unit else ''}" for m in shown]
    sections = []
    for name in of.scored:
        scans, rows = of.sets[name], []
        for run in of.methods_of(name):
            with reading(layout.timings(name, run), "a table of timings", "reconstruct again"):
                costs = pd.read_csv(layout.timings(name, run))
            with reading(layout.map_status(name, run), "the record of a method's maps", "reconstruct again"):
                status = json.loads(layout.map_status(name, run).read_text(encoding="utf-8"))
            rows.append(
                [
                    markdown(run_label(config, run)),
                    _parameters(status["options"]),
                    *(_score(m, means.get((name, run, m))) for m in shown),
                    *([f"{costs['seconds'].mean():.3g}", f"{costs['peak_mb'].max() / 1000:.1f}"] if len(costs) else []),
                ]
            )
        shape, n = " x ".join(map(str, scans.shape)), len(scans.members)
        sections.append(
            f"### {markdown(config.sets[name].label or name)}: {n} volume{'s' if n > 1 else ''} of {shape}\n\n"
            + tabulate(
                rows,
                headers=["method", "options", *head, "s a volume", "peak GB"],
                tablefmt="github",
                disable_numparse=True,
            )
        )
    notes = [_tuning_note(of, run) for run, m in config.methods.items() if m.tuning is not None]
    write_text_atomic(layout.method_table, "\n\n".join([*sections, *notes]) + "\n")


def _score(metric: str, value: float | None) -> str:
    return "–" if value is None else fixed(value, 1 if METRICS[metric].unit == "%" else 3)


def _parameters(options: dict[str, Any]) -> str:
    return ", ".join(f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in options.items()) or "defaults"


def _tuning_note(of: Run, run: str) -> str:
    config, chosen = of.config, json.loads(of.layout.tuned(run).read_text(encoding="utf-8"))
    spec = config.synthetic[chosen["set"]]
    metric = METRICS[chosen["metric"]]
    edge = f"; at the end of its grid: {', '.join(chosen['at_edge_of_grid'])}" if chosen["at_edge_of_grid"] else ""
    n = chosen["n_samples"]
    return (
        f"{markdown(run_label(config, run))}: best of {chosen['n_points']} choices of {', '.join(chosen['tuned'])} on "
        f"'{markdown(spec.label or chosen['set'])}' "
        f"({n} sample{'s' if n > 1 else ''}, {metric.label} {chosen['score']:.3g}{edge})."
    )
