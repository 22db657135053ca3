"""Where a results folder keeps what a report shows: every path below is relative to it.

    synthetic/<set>.zarr          the set              reconstructions/<set>/<run>.zarr    a method's maps
    networks/<network>.csv        a training record    timings/<set>/<run>.csv             seconds a subject
    synthetic/<set>.hashes/*.json what was drawn       benchmarks/reconstruct/<set>/<run>.tsv   memory of the job
    inspect/<set>/*.png           samples looked at    tuning/<run>.json                    parameters chosen on data
    timings/scans/<set>/<run>.csv and benchmarks/reconstruct_subjects/<set>/<run>.tsv of scans, whose volumes are where
    `scan_files` says.

A set or a method is shown as far as its files are there, so that a new kind of set needs no change here.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qsmbench.report.display import Display
from qsmbench.report.scan_files import ScanFiles, find_scans


@dataclass(frozen=True)
class Results:
    """The files that a report is made from, as far as there are any.

    Attributes:
        volumes: set to its Zarr store and, by method, the stores of the reconstructions.
        records: network to its training record.
        timings: set and method to the seconds a subject.
        benchmarks: set and method to Snakemake's record of the job.
        drawn: set to the JSON files of its shards.
        inspections: label of a synthetic set, of whatever role, to the folder that `qsmbench inspect` wrote.
        tuning: method to the parameters that were chosen for it on a tuning set.
        scans: set to its prepared scans, for sets of acquisitions.
        fields: set to the errors of its prepared fields, where the truth is known.
    """

    volumes: Mapping[str, tuple[Path, Mapping[str, Path]]] = field(default_factory=dict)
    records: Mapping[str, Path] = field(default_factory=dict)
    timings: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    benchmarks: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    drawn: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    inspections: Mapping[str, Path] = field(default_factory=dict)
    tuning: Mapping[str, Path] = field(default_factory=dict)
    scans: Mapping[str, tuple[ScanFiles, ...]] = field(default_factory=dict)
    fields: Mapping[str, Path] = field(default_factory=dict)


def find_results(folder: Path, display: Display) -> Results:
    """Look for the files of the display's sets and methods in a results folder."""
    volumes: dict[str, tuple[Path, Mapping[str, Path]]] = {}
    for name in display.sets:
        store = folder / f"synthetic/{name}.zarr"
        maps = {run: folder / f"reconstructions/{name}/{run}.zarr" for run in display.methods}
        if store.is_dir():
            volumes[name] = store, {run: path for run, path in maps.items() if path.is_dir()}
    pairs = [(name, run) for name in display.sets for run in display.methods]
    acquired = display.config.get("acquisitions", {})
    timings, benchmarks = {}, {}
    for name, run in pairs:
        clock, job = ("timings/scans", "reconstruct_subjects") if name in acquired else ("timings", "reconstruct")
        timings[name, run] = folder / f"{clock}/{name}/{run}.csv"
        benchmarks[name, run] = folder / f"benchmarks/{job}/{name}/{run}.tsv"
    fields = {name: folder / f"scores/fields/{name}.csv" for name in acquired}
    records = {name: folder / f"networks/{name}.csv" for name in display.config.get("networks", {})}
    inspections = {
        spec.get("label") or name: folder / f"inspect/{name}"
        for name, spec in display.config.get("synthetic", {}).items()
    }
    tuning = {run: folder / f"tuning/{run}.json" for run in display.methods}
    return Results(
        volumes,
        {name: path for name, path in records.items() if path.is_file()},
        {pair: path for pair, path in timings.items() if path.is_file()},
        {pair: path for pair, path in benchmarks.items() if path.is_file()},
        {name: tuple(sorted((folder / f"synthetic/{name}.hashes").glob("*.json"))) for name in display.sets},
        {label: path for label, path in inspections.items() if path.is_dir()},
        {run: path for run, path in tuning.items() if path.is_file()},
        find_scans(folder, display),
        {name: path for name, path in fields.items() if path.is_file()},
    )


@dataclass(frozen=True)
class Cost:
    """What one method took on one set: seconds a subject, and the job's largest resident memory in MB where known."""

    set: str
    method: str
    n: int
    mean: float
    median: float
    most: float
    memory: float | None


def costs(results: Results) -> list[Cost]:
    """Read timings and memory, in the display's order."""
    found = []
    for (name, run), path in results.timings.items():
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        seconds = sorted(float(row["seconds"]) for row in rows)
        if not seconds:
            continue
        half = len(seconds) // 2
        median = seconds[half] if len(seconds) % 2 else (seconds[half - 1] + seconds[half]) / 2
        # Snakemake looks at a job every half minute; the job itself knows its peak.
        peaks = [float(row["peak_mb"]) for row in rows if row.get("peak_mb")]
        memory = max(peaks) if peaks else _memory(results.benchmarks.get((name, run)))
        found.append(Cost(name, run, len(seconds), sum(seconds) / len(seconds), median, seconds[-1], memory))
    return found


def _memory(path: Path | None) -> float | None:
    if path is None:
        return None
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    # Snakemake writes "-" or "NA" where it could not measure a job that was too short.
    values = [row["max_rss"] for row in rows if row.get("max_rss", "").replace(".", "", 1).isdigit()]
    return max(map(float, values)) if values else None


def noise_levels(results: Results) -> dict[str, dict[int, float]]:
    """Return, by set and sample, the standard deviation in ppm of the noise that was added to the field."""
    levels: dict[str, dict[int, float]] = {}
    for name, paths in results.drawn.items():
        rows: list[dict[str, Any]] = []
        for path in paths:
            rows += json.loads(path.read_text(encoding="utf-8"))["samples"]
        levels[name] = {
            int(r["sample"]): float(r["parameters"]["noise_sd"]) for r in rows if "noise_sd" in r.get("parameters", {})
        }
    return levels


def with_tuning(display: Display, results: Results) -> Display:
    """Show the parameters that were chosen on data in place of the configured ones, and say on what."""
    methods = dict(display.methods)
    for run, path in results.tuning.items():
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
