"""Step 4: score one method's maps of one set against the truth, into tidy rows that say what made them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from qsmbench.core.errors import InputError
from qsmbench.data.atomic import atomic_path
from qsmbench.data.store import StoredSet
from qsmbench.metrics.registry import METRICS, score
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
) -> None:
    """Score every sample and write the rows as Parquet.

    Args:
        set_name: of the set.
        run_name: of the method's entry in the configuration.
        store: the set's Zarr store.
        reconstruction: Zarr store of the method's maps.
        status: the JSON that came with it.
        hashes: the JSON files of the set's shards, for the hash of each sample's data.
        metrics: names.
        out: Parquet to write.

    Raises:
        InputError: an unknown metric, or files that do not belong together.
    """
    names = [*dict.fromkeys(metrics), *(["coverage"] if "coverage" not in metrics else [])]
    stored = StoredSet(store)
    made = json.loads(status.read_text(encoding="utf-8"))
    if len(made["samples"]) != len(stored):
        raise InputError(
            f"{status} has {len(made['samples'])} samples, but {store} has {len(stored)}; reconstruct again"
        )
    shards = [json.loads(path.read_text(encoding="utf-8")) for path in hashes]
    data_hash = {row["sample"]: config_hash(row["sha256"]) for shard in shards for row in shard["samples"]}
    common = {
        "set": set_name,
        "method": run_name,
        "region": "mask",
        "code_version": code_version(),
        "config_hash": config_hash({"method": made["method"], "options": made["options"]}),
        "weights_hash": made["weights_sha256"],
        "seed": shards[0]["seed"],
    }
    rows: list[dict[str, Any]] = []
    with xr.open_zarr(reconstruction, consolidated=False) as maps:
        for index in range(len(stored)):
            result = made["samples"][index]
            values = dict.fromkeys(names, float("nan"))
            if result["status"] == "ok":
                reference = stored.reference(index)
                estimate = np.asarray(maps["chi"][index].values)
                values = score(estimate, reference.chi, reference.mask, reference.grid.voxel_size, names)
            rows += [
                {
                    **common,
                    "subject": f"{index:05d}",
                    "metric": name,
                    "value": values[name],
                    "unit": METRICS[name].unit,
                    "status": result["status"],
                    "message": result["message"],
                    "data_hash": data_hash[index],
                }
                for name in names
            ]
    write_scores(pd.DataFrame(rows, columns=list(COLUMNS)), out)


def collect_scores(parts: Sequence[Path], out: Path) -> None:
    """Join the rows of all sets and methods, in the order given; an empty table where nothing has a truth."""
    tables = [pd.read_parquet(path) for path in parts] or [pd.DataFrame(columns=list(COLUMNS))]
    write_scores(pd.concat(tables, ignore_index=True), out)


def write_scores(scores: pd.DataFrame, out: Path) -> None:
    """Write a table as Parquet, atomically."""
    with atomic_path(out) as temporary:
        scores.to_parquet(temporary, index=False)
