"""Maps from fields, method, options and weights; scores from maps and truth; of every kind of set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from qsmbench.audit.again.contract import Again
from qsmbench.audit.tolerance import Agreement, compare_scores, compare_volumes
from qsmbench.benchmark.evaluation import score_map
from qsmbench.core.damage import reading
from qsmbench.core.errors import InputError
from qsmbench.data.stored_arrays import read_table
from qsmbench.methods.registry import build
from qsmbench.metrics.registry import METRICS
from qsmbench.sets.contract import ScanSet


def _by_kind(again: Again) -> Iterator[tuple[str, list[ScanSet]]]:
    """The sets whose data are there, those of one kind together, so that each kind has its share of the choice."""
    there = [scans for scans in again.run.of.sets.values() if scans.folder.is_dir()]
    for kind in dict.fromkeys(type(scans).__name__ for scans in there):
        yield kind, [scans for scans in there if type(scans).__name__ == kind]


def maps(again: Again) -> list[Agreement]:
    """Some maps of each kind of set, and one of every method at least: who forges all of a method's is found."""
    run, found = again.run, []
    for kind, sets in _by_kind(again):
        things = [
            (scans, name, made, row)
            for scans in sets
            for name in run.of.methods_of(scans.name)
            if name not in run.foreign and name not in run.absent
            if run.has(status := run.layout.map_status(scans.name, name))
            for made in [run.json(status)]
            for row in made["scans"]
        ]
        for scans, name, made, row in again.choose(f"maps/{kind}", things, group=lambda thing: thing[1]):
            where = scans.map_name(run.layout.maps(scans.name, name), row["scan"])
            look = partial(_map, again, scans, name, made, row)
            agreement = again.check.guarded(where, look, None, "recomputed")
            found += [] if agreement is None else [agreement]
    for name in sorted(run.foreign):
        again.check.skipped.append(f"Maps of {name}: it is somebody else's program, and an audit runs none.")
    for name, package in sorted(run.absent.items()):
        again.check.skipped.append(f"Maps of {name}: its package is not installed here; they need {package}.")
    return found


def _map(again: Again, scans: ScanSet, name: str, made: dict[str, Any], row: dict[str, Any]) -> Agreement | None:
    """Compare one map; None where the method fails again, as it is said to have done."""
    folder = again.run.layout.maps(scans.name, name)
    where = scans.map_name(folder, row["scan"])
    # The method is the configuration's, never what a file in the folder asks for.
    method = build(again.run.of.method(name), made["options"], again.run.of.weights(name))
    if (reason := scans.failure(row["scan"])) is not None:
        if row["status"] == "ok":
            again.check.find(
                "recomputed", where, f"is said to be there, and there is no field to make it of ({reason})"
            )
        return None
    scan = scans.scan(row["scan"]).to(again.device)
    try:
        with reading(where):
            chi = method.reconstruct(scan).chi.cpu().numpy()
    except InputError as error:
        if row["status"] == "ok":
            again.check.find("recomputed", where, f"the method fails now: {error}")
        return None
    if row["status"] != "ok":
        again.check.find("recomputed", where, f"is said to have failed ({row['message']}), and does not")
        return None
    stored = scans.read_map(folder, row["scan"])
    if stored is None:
        again.check.find("missing", where, "is said to be there, and is not")
        return None
    return again.judge(where, compare_volumes(chi, stored))


def _scores_of(
    again: Again, scans: ScanSet, method: str, subject: str, metrics: Sequence[str]
) -> dict[tuple[str, str], float]:
    chi = scans.read_map(again.run.layout.maps(scans.name, method), subject)
    return {(s.metric, s.region): s.value for s in score_map(scans, subject, chi, metrics)}


def scores(again: Again) -> list[Agreement]:
    """All metrics of the maps of each kind of set; of all of them, where not told otherwise."""
    run = again.run
    table = read_table(run.layout.all_scores)
    table = table[table["status"] == "ok"]
    metrics = list(run.config.evaluation.metrics) or list(METRICS)
    found: list[Agreement] = []
    for kind, sets in _by_kind(again):
        own = table[table["set"].isin([scans.name for scans in sets])]
        things = list(own.groupby(["set", "method", "subject"], sort=True))
        for key, rows in again.choose(
            f"scores/{kind}", things, len(things) if again.rescore is None else again.rescore
        ):
            set_name, method, subject = (str(part) for part in key)
            where = f"scores.parquet, {set_name} / {method} / {subject}"
            look = partial(_scores_of, again, run.of.sets[set_name], method, subject, metrics)
            made = again.check.guarded(where, look, None, "recomputed")
            if made is None:
                continue
            stored = {(r["metric"], r["region"]): float(r["value"]) for r in rows.to_dict("records")}
            for name in dict.fromkeys([*stored, *made]):
                where = f"scores.parquet, {set_name} / {method} / {subject}: {name[0]}, {name[1]}"
                if name in stored and name in made:
                    found.append(again.judge(where, compare_scores(made[name], stored[name])))
                else:
                    text = "is stored and not made" if name in stored else "is made and not stored"
                    again.check.find("recomputed", where, text)
    return found
