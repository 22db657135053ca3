"""Step 4: score one method's maps of one set against the truth, into tidy rows that say what made them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from tqdm import tqdm

from qsmbench.core.errors import InputError
from qsmbench.data.atomic import atomic_path
from qsmbench.data.store import StoredSet
from qsmbench.metrics.case import WHOLE_MASK, Case
from qsmbench.metrics.registry import METRICS, Score, score_case, whole_mask_metrics
from qsmbench.provenance.version import code_version

COLUMNS = (
    *("set", "subject", "method", "metric", "region", "value", "unit", "status", "message"),
    *("code_version", "config_hash", "weights_hash", "data_hash", "seed"),
)


def config_hash(config: Any) -> str:
    """SHA-256 of a JSON-able configuration, independent of the order of keys."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


def evaluate_set(
    *,
    set_name: str,
    run_name: str,
    store: Path,
    reconstruction: Path,
    status: Path,
    hashes: Sequence[Path],
    metrics: Iterable[str],
    out: Path,
    labels: Path | None = None,
    label_names: Path | None = None,
) -> None:
    """Score every sample and write the rows as Parquet.

    One sample is in memory at a time. Its rows go into a journal beside ``out`` as soon as they are there; a run that
    was ended goes on with the samples that the journal lacks, and takes none whose map, data, metrics or code changed.

    Args:
        set_name: of the set.
        run_name: of the method's entry in the configuration.
        store: the set's Zarr store.
        reconstruction: Zarr store of the method's maps.
        status: the JSON that came with it.
        hashes: the JSON files of the set's shards, for the hash of each sample's data.
        metrics: names.
        out: Parquet to write.
        labels: Zarr store of the set's tissue labels, for the metrics that need them.
        label_names: JSON that says what each label means.

    Raises:
        InputError: an unknown metric, or files that do not belong together.
    """
    names = list(metrics)
    stored = StoredSet(store)
    made = json.loads(status.read_text(encoding="utf-8"))
    if len(made["samples"]) != len(stored):
        raise InputError(
            f"{status} has {len(made['samples'])} samples, but {store} has {len(stored)}; reconstruct again"
        )
    shards = [json.loads(path.read_text(encoding="utf-8")) for path in hashes]
    data_hash = {row["sample"]: config_hash(row["sha256"]) for shard in shards for row in shard["samples"]}
    known = {} if label_names is None else json.loads(label_names.read_text(encoding="utf-8"))
    common = common_columns(set_name, run_name, made, shards[0]["seed"])
    journal = Journal(out.with_name(f".{out.name}.journal"))
    rows: list[dict[str, Any]] = []
    # Opened and not read: a volume is loaded when its sample is scored.
    with xr.open_zarr(reconstruction, consolidated=False) as maps, _opened(labels) as tissues:
        for index in tqdm(range(len(stored)), unit="subject", desc=f"{run_name} on {set_name}", disable=None):
            result = made["samples"][index]
            key = config_hash([common, result, data_hash[index], names, known])
            scores = journal.find(index, key)
            if scores is None:
                scores = (
                    score_sample(index, stored=stored, maps=maps, tissues=tissues, known=known, names=names)
                    if result["status"] == "ok"
                    else []
                )
                journal.add(index, key, scores)
            rows += score_rows(common, f"{index:05d}", result, scores=scores, data_hash=data_hash[index], names=names)
    write_scores(pd.DataFrame(rows, columns=list(COLUMNS)), out)
    journal.remove()


def common_columns(set_name: str, run_name: str, made: dict[str, Any], seed: int) -> dict[str, Any]:
    """What all rows of one method on one set share; ``made`` is the JSON that came with the maps."""
    return {
        "set": set_name,
        "method": run_name,
        "code_version": code_version(),
        "config_hash": config_hash({"method": made["method"], "options": made["options"]}),
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


def _opened(labels: Path | None) -> xr.Dataset:
    return xr.Dataset() if labels is None else xr.open_zarr(labels, consolidated=False)


def score_sample(
    index: int, *, stored: StoredSet, maps: xr.Dataset, tissues: xr.Dataset, known: dict[str, str], names: Sequence[str]
) -> list[Score]:
    """Score one stored map of a synthetic set.

    Args:
        index: of the sample.
        stored: the set.
        maps: store of the method's maps, opened.
        tissues: store of the set's labels, opened; empty without labels.
        known: what each label means.
        names: of the metrics.
    """
    reference = stored.reference(index)
    case = Case(
        estimate=np.asarray(maps["chi"][index].values),
        mask=reference.mask,
        grid=reference.grid,
        reference=reference.chi,
        local_field=stored.scan(index).local_field.numpy(),
        labels=np.asarray(tissues["labels"][index].values) if "labels" in tissues else None,
        names={int(label): name for label, name in known.items()},
    )
    return score_case(case, names)


class Journal:
    """The scores of the samples that are done, a line a sample, so that a run that was ended need not begin again.

    Args:
        path: of the file; a last line that was cut short is left out.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._done: dict[int, tuple[str, list[Score]]] = {}
        if not path.is_file():
            return
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                entry = json.loads(line)
                scores = [Score(m, r, float("nan") if v is None else v) for m, r, v in entry["scores"]]
                self._done[entry["sample"]] = entry["key"], scores

    def find(self, sample: int, key: str) -> list[Score] | None:
        """Return a sample's scores, or None where it is not done or was made from something else."""
        found = self._done.get(sample)
        return found[1] if found is not None and found[0] == key else None

    def add(self, sample: int, key: str, scores: Sequence[Score]) -> None:
        """Write a sample's scores down."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        values = [(m, r, None if math.isnan(v) else v) for m, r, v in scores]
        lead = "" if not self.path.is_file() or self.path.read_bytes().endswith(b"\n") else "\n"
        with self.path.open("a", encoding="utf-8") as file:
            file.write(lead + json.dumps({"sample": sample, "key": key, "scores": values}) + "\n")

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
