"""Reading scores: one tidy row a set, subject, method, metric and region, checked and put in one fixed order."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from qsmbench.core.damage import reading
from qsmbench.core.errors import InputError
from qsmbench.data.stored_arrays import read_table
from qsmbench.report.display import Display

KEY = ["set", "subject", "method", "metric", "region"]
COLUMNS = [*KEY, "value", "unit", "status", "message"]
WHOLE_MASK = "mask"


def read_scores(path: Path, display: Display) -> pd.DataFrame:
    """Read `scores.parquet`.

    Raises:
        InputError: no such file, not Parquet, or rows that `check_scores` refuses.
    """
    if not path.is_file():
        raise InputError(f"no scores at {path}; run the evaluation first")
    scores = read_table(path)
    with reading(path, "a table of scores", "run the evaluation again"):
        return check_scores(scores, display, str(path))


def check_scores(scores: pd.DataFrame, display: Display, where: str = "scores") -> pd.DataFrame:
    """Return the scores sorted as the display orders sets, methods and metrics, then by region and subject.

    Sums over subjects are taken in this order, so that a table does not depend on which job wrote its row first.

    Raises:
        InputError: a missing column, a set, method or metric that the display does not know, a row that is there
            twice, a status other than ok or failed, a value in a failed row.
    """
    missing = [name for name in COLUMNS if name not in scores]
    if missing:
        raise InputError(f"{where} lacks the column {', '.join(missing)}; it has {', '.join(scores.columns)}")
    scores = scores.reset_index(drop=True)
    scores[KEY] = scores[KEY].astype(str)
    scores["message"] = scores["message"].fillna("").astype(str)
    for column, known in (("set", display.sets), ("method", display.methods), ("metric", display.metrics)):
        unknown = sorted(set(scores[column]) - set(known))
        if unknown:
            raise InputError(f"{where} has the {column} '{unknown[0]}', which the display file does not list")
    odd = sorted(set(scores["status"]) - {"ok", "failed"})
    if odd:
        raise InputError(f"{where} has the status '{odd[0]}'; known: ok, failed")
    twice = scores.duplicated(KEY)
    if twice.any():
        row = scores.loc[twice, KEY].iloc[0]
        raise InputError(f"{where} has two rows for {', '.join(f'{k} {v}' for k, v in row.items())}; keep one")
    scores["value"] = scores["value"].astype(np.float64)
    if scores.loc[scores["status"] == "failed", "value"].notna().any():
        raise InputError(f"{where} has a value in a row whose status is failed; write NaN there")
    order = pd.DataFrame(
        {
            "set": scores["set"].map(_positions(display.sets)),
            "method": scores["method"].map(_positions(display.methods)),
            "metric": scores["metric"].map(_positions(display.metrics)),
            "region": scores["region"].map(region_rank),
            "subject": scores["subject"],
        }
    )
    return scores.loc[order.sort_values([str(c) for c in order.columns]).index].reset_index(drop=True)


def region_rank(region: str) -> str:
    """Sort key that puts the whole mask before its parts."""
    return "" if region == WHOLE_MASK else region


def failures(scores: pd.DataFrame) -> pd.DataFrame:
    """One row a reconstruction that failed: set, method, subject, message, in the order of the scores."""
    failed = scores[scores["status"] == "failed"]
    return failed.drop_duplicates(["set", "method", "subject"])[["set", "method", "subject", "message"]].reset_index(
        drop=True
    )


def _positions(names: Mapping[str, object]) -> dict[str, int]:
    return {name: i for i, name in enumerate(names)}
