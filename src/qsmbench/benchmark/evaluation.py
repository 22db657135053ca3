"""Score one method's maps of one set against the truth, into tidy rows that say what made them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from qsmbench.core.errors import InputError
from qsmbench.core.hashes import json_hash
from qsmbench.core.spread import Spread, one_by_one
from qsmbench.data.atomic import atomic_path
from qsmbench.metrics.case import WHOLE_MASK, Case
from qsmbench.metrics.registry import METRICS, Score, score_case, whole_mask_metrics
from qsmbench.provenance.version import code_version
from qsmbench.sets.contract import ScanSet

COLUMNS = (
    *("set", "subject", "method", "metric", "region", "value", "unit", "status", "message"),
    *("code_version", "config_hash", "weights_hash", "data_hash", "seed"),
)


def evaluate(
    scans: ScanSet,
    run: str,
    *,
    maps: Path,
    status: Path,
    metrics: Iterable[str],
    seed: int,
    out: Path,
    spread: Spread = one_by_one,
) -> None:
    """Score every map of one method on a set and write the rows as Parquet.

    One scan is in memory at a time, on each worker where the work is spread. Its rows go into a journal beside ``out``
    as soon as they are there; a run that was ended goes on with the scans that the journal lacks, and takes none whose
    map, data, metrics or code changed.

    Args:
        scans: the set.
        run: name of the method's entry in the configuration.
        maps: folder of the method's maps.
        status: the JSON that came with them.
        metrics: names; none: every metric.
        seed: of the run.
        out: Parquet to write.
        spread: how scans are gone through, a cluster's workers say; the rows do not depend on it.

    Raises:
        InputError: an unknown metric, or maps that are not of this set.
    """
    names = list(metrics) or list(METRICS)
    made = json.loads(status.read_text(encoding="utf-8"))
    results = {row["scan"]: row for row in made["scans"]}
    if set(results) != set(scans.names):
        raise InputError(
            f"{status} has {len(results)} scans, but {scans.name} has {len(scans.names)}, or others; reconstruct again"
        )
    common = common_columns(scans.name, run, made, seed)
    journal = Journal(out.with_name(f".{out.name}.journal"))
    keys = {name: json_hash([common, results[name], scans.data_hash(name), names]) for name in scans.names}
    done = {name: journal.find(name, key) for name, key in keys.items()}
    missing = [name for name, scores in done.items() if scores is None and results[name]["status"] == "ok"]
    work = spread(partial(score_stored, scans, maps, names), missing)
    for name, scores in tqdm(work, total=len(missing), unit="scan", desc=f"{run} on {scans.name}", disable=None):
        journal.add(name, keys[name], scores)
        done[name] = scores
    rows = [
        row
        for name in scans.names
        for row in score_rows(
            common, name, results[name], scores=done[name] or [], data_hash=scans.data_hash(name), names=names
        )
    ]
    write_scores(pd.DataFrame(rows, columns=list(COLUMNS)), out)
    journal.remove()


def score_stored(scans: ScanSet, maps: Path, metrics: Sequence[str], name: str) -> list[Score]:
    """Score the map of one scan that lies in the folder ``maps``; see :func:`score_map`."""
    return score_map(scans, name, scans.read_map(maps, name), metrics)


def score_map(scans: ScanSet, name: str, chi: np.ndarray | None, metrics: Sequence[str]) -> list[Score]:
    """Score one map of one scan, with all that the set knows of it.

    Args:
        scans: the set.
        name: of the scan.
        chi: the map (x, y, z), ppm.
        metrics: names.

    Raises:
        InputError: an unknown metric, or no map.
    """
    if chi is None:
        raise InputError(f"{scans.name}: the map of {name} is not there; reconstruct again")
    reference, labels = scans.reference(name), scans.labels(name)
    case = Case(
        estimate=chi,
        mask=reference.mask,
        grid=reference.grid,
        reference=reference.chi,
        local_field=scans.scan(name).local_field.numpy(),
        labels=None if labels is None else labels.volume,
        names={} if labels is None else labels.names,
        extent=reference.extent,
    )
    scores = score_case(case, metrics)
    # Those that compare maps; coverage, which comes with every score, is of the map alone.
    others = [metric for metric in metrics if METRICS[metric].compares_maps]
    for title, other in scans.more_references(name).items():
        rows = score_case(replace(case, reference=other.chi, mask=other.mask), others)
        scores += [Score(s.metric, f"against {title}", s.value) for s in rows if s.metric in others]
    return scores


def common_columns(set_name: str, run_name: str, made: dict[str, Any], seed: int) -> dict[str, Any]:
    """What all rows of one method on one set share; ``made`` is the JSON that came with the maps."""
    return {
        "set": set_name,
        "method": run_name,
        "code_version": code_version(),
        "config_hash": json_hash({"method": made["method"], "options": made["options"]}),
        "weights_hash": made["weights_sha256"],
        "seed": seed,
    }


def score_rows(
    common: dict[str, Any],
    subject: str,
    result: dict[str, Any],
    *,
    scores: Sequence[Score],
    data_hash: str,
    names: Sequence[str],
) -> list[dict[str, Any]]:
    """The rows of one subject; a method that failed leaves a row a metric, so that it shows in every column."""
    if result["status"] != "ok":
        scores = [Score(name, WHOLE_MASK, float("nan")) for name in whole_mask_metrics(names)]
    return [
        {
            **common,
            "subject": subject,
            "metric": metric,
            "region": region,
            "value": value,
            "unit": METRICS[metric].unit,
            "status": result["status"],
            "message": result["message"],
            "data_hash": data_hash,
        }
        for metric, region, value in scores
    ]


class Journal:
    """The scores of the scans that are done, a line a scan, so that a run that was ended need not begin again.

    Args:
        path: of the file; a last line that was cut short is left out.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._done: dict[str, tuple[str, list[Score]]] = {}
        if not path.is_file():
            return
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                entry = json.loads(line)
                scores = [Score(m, r, float("nan") if v is None else v) for m, r, v in entry["scores"]]
                self._done[entry["scan"]] = entry["key"], scores

    def find(self, scan: str, key: str) -> list[Score] | None:
        """Return a scan's scores, or None where it is not done or was made from something else."""
        found = self._done.get(scan)
        return found[1] if found is not None and found[0] == key else None

    def add(self, scan: str, key: str, scores: Sequence[Score]) -> None:
        """Write a scan's scores down."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        values = [(m, r, None if math.isnan(v) else v) for m, r, v in scores]
        lead = "" if not self.path.is_file() or self.path.read_bytes().endswith(b"\n") else "\n"
        with self.path.open("a", encoding="utf-8") as file:
            file.write(lead + json.dumps({"scan": scan, "key": key, "scores": values}) + "\n")

    def remove(self) -> None:
        """Delete the file: the scores are written."""
        self.path.unlink(missing_ok=True)


def collect_scores(parts: Sequence[Path], out: Path) -> None:
    """Join the rows of all sets and methods, in the order given; an empty table where nothing has a truth."""
    tables = [pd.read_parquet(path) for path in parts] or [pd.DataFrame(columns=list(COLUMNS))]
    write_scores(pd.concat(tables, ignore_index=True), out)


def write_scores(scores: pd.DataFrame, out: Path) -> None:
    """Write a table as Parquet, atomically."""
    with atomic_path(out) as temporary:
        scores.to_parquet(temporary, index=False)
