"""Which scores of two runs differ, by set, method, metric and region, on the same subjects, by the report's tests.

Wilcoxon's signed-rank test on the differences subject by subject, corrected by Holm over the methods that one metric
has on one set and region, from six subjects on (`report/comparisons.py`). What agrees to six digits has not moved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from qsmbench.audit.check import LONGEST_TEXT
from qsmbench.core.damage import reading, shown
from qsmbench.core.errors import InputError
from qsmbench.core.registry import Registry
from qsmbench.data.stored_arrays import read_table
from qsmbench.metrics.registry import METRICS, Metric
from qsmbench.report.comparisons import MIN_PAIRS, paired_difference, rank_biserial, signed_rank_p
from qsmbench.report.scores import KEY, region_rank

ABSENT = "absent"
# Of one comparison: the paper's scale has 40,000 groups. Each costs a test.
_MOST_GROUPS = 200_000
_GROUP = ["set", "method", "metric", "region"]
_TEXTS = [*KEY, "unit", "status", "message", "data_hash", "weights_hash"]


@dataclass(frozen=True)
class Line:
    """Something that the two sides do not share.

    Attributes:
        where: what it is, as it can be shown.
        a: what the first side has.
        b: what the second side has.
    """

    where: str
    a: str
    b: str

    @staticmethod
    def of(where: str, a: str, b: str) -> Line:
        """A line of texts that may be a stranger's."""
        return Line(*(shown(text)[:LONGEST_TEXT] for text in (where, a, b)))


@dataclass(frozen=True)
class Moved:
    """A method's scores by one metric in one region of one set that are not those of the other side.

    Attributes:
        set, method, metric, region, unit: as in `scores.parquet`.
        n: subjects with a score on both sides.
        n_moved: of them, subjects whose score differs in the sixth digit or before.
        mean_a, mean_b: over the subjects that both have.
        median: of b - a, in the metric's unit.
        largest: b - a of the subject that moved furthest.
        effect: rank-biserial correlation, positive where b is better; None for metrics that rank nothing, and unknown
            ones.
        p, p_holm: None below six subjects.
    """

    set: str
    method: str
    metric: str
    region: str
    unit: str
    n: int
    n_moved: int
    mean_a: float
    mean_b: float
    median: float
    largest: float
    effect: float | None
    p: float | None
    p_holm: float | None


@dataclass
class Scores:
    """What came out.

    Attributes:
        n: scores that both sides have.
        n_same: of them, those that are the same to the last bit.
        n_close: of them, those that differ after the sixth digit.
        moved: in the order of the first side's scores.
        lines: what is on one side alone, or is a number on one side alone.
    """

    n: int = 0
    n_same: int = 0
    n_close: int = 0
    moved: list[Moved] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)


def read_rows(path: Path) -> pd.DataFrame:
    """Read `scores.parquet` of any version and anybody; columns of text are text, a score that is none is NaN.

    Raises:
        InputError: no such file, no table of scores, two rows of one score.
    """
    rows = read_table(path)
    with reading(path, "a table of scores"):
        missing = [name for name in (*KEY, "value", "status") if name not in rows]
        if missing:
            raise InputError(f"{shown(path)} lacks the column {', '.join(missing)}; it is no table of scores")
        for name in _TEXTS:
            rows[name] = rows[name].fillna("").astype(str) if name in rows else ""
        rows["value"] = rows["value"].astype(np.float64).where(np.isfinite(rows["value"].astype(np.float64)))
        if rows.duplicated(KEY).any():
            raise InputError(f"{shown(path)} has two rows of one score; make it again")
        return rows[[*_TEXTS, "value"]]


def compare_rows(a: pd.DataFrame, b: pd.DataFrame) -> Scores:
    """Compare two tables of `read_rows`.

    Raises:
        InputError: more groups than can be tested.
    """
    both = a.merge(b, on=KEY, how="outer", suffixes=("_a", "_b"), indicator="side")
    if len(both.drop_duplicates(_GROUP)) > _MOST_GROUPS:
        raise InputError(f"the scores have more than {_MOST_GROUPS} combinations of set, method, metric and region")
    both = _in_order(both, a, b)
    found = Scores(lines=[*_on_one_side(both)])
    both = both[both["side"] == "both"]
    found.lines += [*_states(both)]
    va, vb = both["value_a"].to_numpy(), both["value_b"].to_numpy()
    same = (va == vb) | (np.isnan(va) & np.isnan(vb))
    found.n, found.n_same = len(both), int(same.sum())
    tests = []
    for (set_name, method, metric, region), group in both.groupby(_GROUP, sort=False):
        units = group["unit_a"].iloc[0], group["unit_b"].iloc[0]
        if units[0] != units[1]:
            found.lines.append(Line.of(f"unit of {_group(set_name, method, metric, region)}", *units))
            continue
        pairs = group[["value_a", "value_b"]].dropna().to_numpy()
        if not len(pairs):
            continue
        difference = paired_difference(pairs[:, 1], pairs[:, 0])
        found.n_close += int(((difference == 0) & (pairs[:, 0] != pairs[:, 1])).sum())
        tests.append(_tested((str(set_name), str(method), str(metric), str(region)), units[0], pairs, difference))
    found.moved = [row for row in _corrected(tests) if row.n_moved]
    return found


def _tested(key: tuple[str, str, str, str], unit: str, pairs: np.ndarray, difference: np.ndarray) -> Moved:
    """One group, before the correction; its names as they can be shown."""
    about = _known(METRICS, key[2])
    sign = None if about is None or not about.ranked else 1.0 if about.better == "higher" else -1.0
    set_name, method, metric, region, unit = (shown(text)[:LONGEST_TEXT] for text in (*key, unit))
    return Moved(
        set=set_name,
        method=method,
        metric=metric,
        region=region,
        unit=unit,
        n=len(pairs),
        n_moved=int((difference != 0).sum()),
        mean_a=float(pairs[:, 0].mean()),
        mean_b=float(pairs[:, 1].mean()),
        median=float(np.median(difference)),
        largest=float(difference[np.abs(difference).argmax()]),
        effect=None if sign is None else rank_biserial(sign * difference),
        p=signed_rank_p(difference) if len(pairs) >= MIN_PAIRS else None,
        p_holm=None,
    )


def _known(metrics: Registry[Metric], name: str) -> Metric | None:
    """A metric, where this installation has it."""
    return metrics.find(name) if name in metrics else None


def _corrected(tests: list[Moved]) -> list[Moved]:
    """Holm's correction over the methods of each metric, set and region, those that did not move among them."""
    families: dict[tuple[str, str, str], list[int]] = {}
    for i, row in enumerate(tests):
        if row.p is not None:
            families.setdefault((row.set, row.metric, row.region), []).append(i)
    made = list(tests)
    for members in families.values():
        corrected = multipletests([tests[i].p for i in members], method="holm")[1]
        for i, p in zip(members, corrected, strict=True):
            made[i] = replace(tests[i], p_holm=float(p))
    return made


def _in_order(both: pd.DataFrame, a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """Sets, methods and metrics as they first come in the tables; the whole mask before its parts."""
    order = pd.DataFrame(index=both.index)
    for name in ("set", "method", "metric"):
        place = {key: i for i, key in enumerate(dict.fromkeys([*a[name], *b[name]]))}
        order[name] = both[name].map(place)
    order["region"] = both["region"].map(region_rank)
    order["subject"] = both["subject"]
    return both.loc[order.sort_values([str(c) for c in order.columns]).index]


def _on_one_side(both: pd.DataFrame) -> Iterator[Line]:
    """What only one side has, once, at the highest level at which all of it is missing."""
    one = ["set", "method", "subject"]
    levels = (
        ["set"],
        ["set", "method"],
        ["set", "subject"],
        ["set", "metric"],
        one,
        _GROUP[:3],
        _GROUP,
        [*_GROUP, "subject"],
    )
    # A failed reconstruction has a row a metric, and none a region; that it failed is told below.
    failed = both[(both["status_a"] == "failed") | (both["status_b"] == "failed")][one].drop_duplicates()
    alone = both[both["side"] != "both"].merge(failed, on=one, how="left", indicator="failed")
    alone = alone[alone["failed"] == "left_only"]
    told = np.zeros(len(alone), bool)
    for level in levels:
        if told.all():
            return
        shared = both[both["side"] == "both"][level].drop_duplicates()
        # Where the other side has anything at this level, the next one tells what is missing.
        marked = alone[level].merge(shared, on=level, how="left", indicator="found")
        sides = alone.groupby(level, sort=False, observed=True)["side"].transform("nunique")
        whole = (marked["found"].to_numpy() == "left_only") & (sides.to_numpy() == 1) & ~told
        for key, group in alone[whole].groupby(level, sort=False):
            there = f"{len(group)} score{'s' if len(group) > 1 else ''}"
            left = group["side"].iloc[0] == "left_only"
            name = " / ".join(map(str, key)) if len(key) < len(_GROUP) else ", ".join([_group(*key[:4]), *key[4:]])
            yield Line.of(name, *((there, ABSENT) if left else (ABSENT, there)))
        told |= whole


def _states(both: pd.DataFrame) -> Iterator[Line]:
    """Reconstructions that failed on one side alone, then single scores that are a number on one side alone."""
    failed = both[both["status_a"] != both["status_b"]].drop_duplicates(["set", "method", "subject"])
    for row in failed.to_dict("records"):
        texts = [f"{row[f'status_{s}']}{': ' if row[f'message_{s}'] else ''}{row[f'message_{s}']}" for s in "ab"]
        yield Line.of(f"{row['set']} / {row['method']} / {row['subject']}", *texts)
    odd = both[(both["status_a"] == both["status_b"]) & (both["value_a"].isna() != both["value_b"].isna())]
    for row in odd.to_dict("records"):
        texts = ["undefined" if np.isnan(row[f"value_{s}"]) else f"{row[f'value_{s}']:.6g}" for s in "ab"]
        where = _group(row["set"], row["method"], row["metric"], row["region"])
        yield Line.of(f"{where}, {row['subject']}", *texts)


def _group(set_name: object, method: object, metric: object, region: object) -> str:
    return f"{set_name} / {method}: {metric}, {region}"
