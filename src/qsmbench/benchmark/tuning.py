"""A method's parameters chosen on samples that no table is made of.

Each point of a grid is one job: reconstruct the tuning set, score it. The point with the best mean score is taken;
among equals the first of the grid. A point that fails on a sample cannot be chosen: its mean would be over others.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from qsmbench.benchmark.compute import set_up
from qsmbench.benchmark.run import Run
from qsmbench.benchmark.runner import Runner
from qsmbench.core.errors import InputError
from qsmbench.data.atomic import write_json_atomic, write_text_atomic
from qsmbench.methods.registry import build
from qsmbench.metrics.registry import METRICS, score


def tune_point(of: Run, run: str, point: str) -> None:
    """Reconstruct and score a tuning set with one choice of parameters.

    The JSON of a point has the options, the score of each scan (null where the method failed) and their mean.
    """
    spec, method = of.config.methods[run], of.method(run)
    if spec.tuning is None:
        raise InputError(f"methods.{run} has no tuning")
    options, metric = spec.options | spec.tuning.points[int(point)], spec.tuning.metric
    scans = of.any_set(spec.tuning.set)
    device = set_up()
    runner = Runner(build(method, options, of.weights(run)), method, device)
    scores: list[float | None] = []
    messages = []
    for name in tqdm(scans.names, unit="scan", desc=f"{method} {options}", disable=None):
        reference = scans.reference(name)
        result = runner(scans.scan(name), name)
        if result.found is None:
            scores.append(None)
            messages.append(f"scan {name}: {result.message}")
            continue
        values = score(result.found.chi.numpy(), reference.chi, reference.mask, reference.grid.voxel_size, [metric])
        scores.append(float(values[metric]))
    runner.check_failures()
    known = [s for s in scores if s is not None]
    mean = math.fsum(known) / len(known) if len(known) == len(scores) else None
    about = {"options": options, "metric": metric, "mean": mean, "scores": scores, "failures": messages}
    write_json_atomic(of.layout.tuning_point(run, point), about)


def select_parameters(points: Sequence[Path], *, tuned_on: str, fixed: dict[str, Any], out: Path, table: Path) -> None:
    """Take the best point of a grid.

    Args:
        points: JSON files of `tune_point`, in the order of the grid.
        tuned_on: name of the set.
        fixed: options that are no part of the grid.
        out: JSON to write: the options chosen, the score they had and what they were tuned on.
        table: CSV to write, a row a point.

    Raises:
        InputError: every point failed on some sample.
    """
    found = [json.loads(path.read_text(encoding="utf-8")) for path in points]
    metric = METRICS[found[0]["metric"]]
    sign = 1.0 if metric.better == "lower" else -1.0
    able = [p for p in found if p["mean"] is not None and math.isfinite(p["mean"])]
    if not able:
        raise InputError(f"every point of the grid failed on '{tuned_on}'; first: {'; '.join(found[0]['failures'])}")
    best = min(able, key=lambda p: sign * p["mean"])
    rows = [{**p["options"], metric.name: p["mean"], "n_failed": len(p["failures"])} for p in found]
    text = io.StringIO()
    pd.DataFrame(rows).to_csv(text, index=False, float_format="%.6g", lineterminator="\n")
    write_text_atomic(table, text.getvalue())
    grid = [name for name in best["options"] if name not in fixed]
    at_edge = [
        name
        for name in grid
        if len(values := list(dict.fromkeys(p["options"][name] for p in found))) > 2
        and best["options"][name] in (values[0], values[-1])
    ]
    write_json_atomic(
        out,
        {
            "options": best["options"],
            "tuned": grid,
            "set": tuned_on,
            "n_samples": len(best["scores"]),
            "metric": metric.name,
            "score": best["mean"],
            "n_points": len(found),
            "at_edge_of_grid": at_edge,
        },
    )
