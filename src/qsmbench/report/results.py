"""What a report reads of a results folder beside scores and scans: what methods took, and what was chosen for them."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

from qsmbench.core.damage import reading
from qsmbench.data.layout import RunLayout
from qsmbench.report.display import Display


@dataclass(frozen=True)
class MethodCost:
    """What one method took on one set: seconds a subject, and the job's largest resident memory in MB where known."""

    set: str
    method: str
    n: int
    mean: float
    median: float
    most: float
    memory: float | None


def costs(layout: RunLayout, display: Display) -> list[MethodCost]:
    """Read timings and memory, in the display's order, of the sets and methods that have them."""
    found = []
    for name, run in ((name, run) for name in display.sets for run in display.methods):
        path = layout.timings(name, run)
        if not path.is_file():
            continue
        with reading(path, "a table of timings", "reconstruct again"), path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
            seconds = sorted(float(row["seconds"]) for row in rows)
            # Snakemake looks at a job every half minute; the job itself knows its peak.
            peaks = [float(row["peak_mb"]) for row in rows if row.get("peak_mb")]
        if not seconds:
            continue
        half = len(seconds) // 2
        median = seconds[half] if len(seconds) % 2 else (seconds[half - 1] + seconds[half]) / 2
        memory = max(peaks) if peaks else _memory(layout.benchmark("reconstruct", name, run))
        found.append(MethodCost(name, run, len(seconds), sum(seconds) / len(seconds), median, seconds[-1], memory))
    return found


def _memory(path: Path) -> float | None:
    if not path.is_file():
        return None
    with reading(path, "a benchmark of Snakemake's"), path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
        # Snakemake writes "-" or "NA" where it could not measure a job that was too short.
        values = [row["max_rss"] for row in rows if row.get("max_rss", "").replace(".", "", 1).isdigit()]
        return max(map(float, values)) if values else None


def with_tuning(display: Display, layout: RunLayout) -> Display:
    """Show the parameters that were chosen on data in place of the configured ones, and say on what."""
    methods = dict(display.methods)
    for run in display.methods:
        path = layout.tuned(run)
        if not path.is_file():
            continue
        with reading(path, "what was tuned", "tune again"):
            chosen = json.loads(path.read_text(encoding="utf-8"))
            spec = display.config.get("synthetic", {}).get(chosen["set"], {})
            label = spec.get("label") or chosen["set"]
            edge = ", at the end of its grid" if chosen["at_edge_of_grid"] else ""
            n = chosen["n_samples"]
            text = (
                f"{', '.join(chosen['tuned'])} chosen on '{label}' ({n} sample{'s' if n > 1 else ''}): the best "
                f"{chosen['metric'].upper()} of {chosen['n_points']} choices{edge}."
            )
            info = methods[run]
            methods[run] = info.model_copy(update={"options": info.options | chosen["options"], "description": text})
    return display.model_copy(update={"methods": methods})
