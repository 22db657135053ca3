"""What files say of each other: samples, maps, weights and scores carry hashes of one another inside them.

These hashes are of contents (a sample's arrays, a map's voxels), not of files, so they hold against shards that were
packed again, and they name the sample.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from qsmbench.audit.check import Check
from qsmbench.audit.run_folder import RunFolder
from qsmbench.benchmark.source import read_about
from qsmbench.benchmark.synthesis import recipe_hash
from qsmbench.core.hashes import array_hash, json_hash
from qsmbench.data.layout import HEAD_FILES, OPTIONAL, VECTORS, VOLUMES
from qsmbench.data.stored_arrays import open_group, read_table
from qsmbench.sets.contract import ScanSet


def check_contents(run: RunFolder, rng: np.random.Generator, most: int, check: Check) -> None:
    """Compare the hashes inside the files with what they hash.

    Args:
        run: the folder.
        rng: chooses the samples of a set that has more than ``most``.
        most: samples of a set, or maps of a method on a set, whose voxels are read.
        check: takes what is found.
    """
    samples, maps = 0, 0
    check.guarded(run.name(run.layout.source_about), partial(_check_source, run, check), 0)
    for folder in sorted(run.layout.drawn("*").parent.glob(run.layout.drawn("*").name)):
        name = folder.name.removesuffix(".hashes")
        where = run.name(run.layout.store(name))
        samples += check.guarded(where, partial(_check_set, run, check, name, rng, most), 0)
    for scans in run.of.sets.values():
        for status in sorted(run.layout.map_status(scans.name, "*").parent.glob("*.json")):
            look = partial(_check_maps, run, check, scans, status, rng=rng, most=most)
            maps += check.guarded(run.name(status), look, 0)
    check.n = f"{samples} samples, {maps} maps"


def _check_source(run: RunFolder, check: Check) -> int:
    if not run.has(run.layout.source_about):
        return 0
    for number, head in enumerate(read_about(run.layout.source)):
        for name in HEAD_FILES:
            path = run.name(run.layout.source / f"{number}/{name}")
            if path in run.hashes and run.hashes[path] != head["files"][name]:
                check.find("contradiction", path, "is not the head that the source's JSON describes")
    return 1


def _check_set(run: RunFolder, check: Check, name: str, rng: np.random.Generator, most: int) -> int:
    """The samples of a set: their drawn parameters, shards and contents."""
    store = run.name(run.layout.store(name))
    group = open_group(run.path / store)
    spec = run.config.synthetic.get(name)
    if spec is None:
        check.notes.append(f"{store} is there, and the configuration does not name it.")
        return 0
    about: dict[str, Any] = group.attrs.asdict()
    if about.get("seed") != run.config.seed:
        text = f"was made with the seed {about.get('seed')}, the configuration has {run.config.seed}"
        check.find("contradiction", f"{store}/zarr.json", text)
    heads = read_about(run.layout.source) if run.has(run.layout.source_about) else about["heads"]
    if about.get("recipe_hash") != recipe_hash(name, spec, run.config.seed, heads):
        text = "its recipe, seed or source is not that of the configuration (recipe_hash differs)"
        _find_or_note(run, check, f"{store}/zarr.json", text)
    rows: dict[int, tuple[str, dict[str, str]]] = {}
    for shard in range(spec.n_shards):
        path = run.name(run.layout.shard_hashes(name, shard))
        content = run.json(path)
        if (content["set"], content["shard"], content["seed"]) != (name, shard, run.config.seed):
            text = f"is of set {content['set']}, shard {content['shard']}, seed {content['seed']}"
            check.find("contradiction", path, f"{text}; expected {name}, {shard}, {run.config.seed}")
        for file, digest in content["files"].items():
            if run.hashes.get(f"{store}/{file}") != digest:
                check.find("contradiction", f"{store}/{file}", f"is not the shard that {path} describes")
        rows |= {int(row["sample"]): (path, row["sha256"]) for row in content["samples"]}
    for missing in sorted(set(range(spec.n_samples)) - set(rows)):
        check.find("missing", f"{store}, sample {missing}", "no shard's hashes name it")
    chosen = sorted(rows)
    if len(chosen) > most:
        chosen = sorted(int(i) for i in rng.choice(chosen, most, replace=False))
        check.notes.append(f"{store}: {most} of {len(rows)} samples were read; all shards were hashed.")
    for index in chosen:
        path, expected = rows[index]
        for variable in (*VOLUMES, *VECTORS):
            if variable in OPTIONAL and variable not in group:
                continue
            look = partial(_hash_of, group, variable, index)
            found = check.guarded(f"{store}, sample {index}, {variable}", look, None)
            if found is not None and found != expected[variable]:
                text = f"{variable} is not what was drawn ({path})"
                check.find("contradiction", f"{store}, sample {index}", text)
    return len(chosen)


def _find_or_note(run: RunFolder, check: Check, where: str, text: str) -> None:
    """A finding where this code is the run's; another version's recipe may have other keys."""
    if run.same_code:
        check.find("contradiction", where, text)
    else:
        check.notes.append(f"{where}: {text}; another version of the code made it, which may be why.")


def _hash_of(group: Any, variable: str, index: int) -> str:
    return array_hash(np.ascontiguousarray(group[variable][index]))


def _check_maps(
    run: RunFolder, check: Check, scans: ScanSet, status: Path, *, rng: np.random.Generator, most: int
) -> int:
    """The maps of a method on a set."""
    where, made, name = run.name(status), run.json(status), status.stem
    _check_method(run, check, where, made, name)
    folder = run.layout.maps(scans.name, name)
    if [row["scan"] for row in made["scans"]] != list(scans.names):
        check.find("contradiction", where, f"is not of the scans that {scans.name} has")
    rows = [row for row in made["scans"] if row["status"] == "ok"]
    if len(rows) > most:
        rows = [rows[i] for i in sorted(rng.choice(len(rows), most, replace=False))]
        check.notes.append(f"{run.name(folder)}: {most} of {len(made['scans'])} maps were read; all files were hashed.")
    for row in rows:
        place = scans.map_name(folder, row["scan"])
        found = check.guarded(place, partial(_hash_of_map, scans, folder, row["scan"]), "unreadable")
        if found not in {row["sha256"], "unreadable"}:
            check.find("contradiction", place, f"is not the map that {where} describes")
    return len(rows)


def _hash_of_map(scans: ScanSet, folder: Path, scan: str) -> str:
    chi = scans.read_map(folder, scan)
    return "no map" if chi is None else array_hash(np.ascontiguousarray(chi))


def _check_method(run: RunFolder, check: Check, where: str, made: dict[str, Any], name: str) -> None:
    """Method, options and weights against the configuration, the tuning and the weights' file."""
    spec = run.config.methods.get(name)
    if spec is None:
        check.notes.append(f"{where} is of '{name}', which the configuration does not name.")
        return
    expected: dict[str, Any] = dict(spec.options)
    if spec.tuning is not None:
        expected |= run.json(run.layout.tuned(name))["options"]
    if made["method"] != (spec.method or name) or made["options"] != expected:
        text = f"ran {made['method']} with {made['options']}, the configuration says {spec.method or name} {expected}"
        check.find("contradiction", where, text)
    file = "" if spec.network is None else run.name(run.layout.weights(spec.network))
    if made["weights_sha256"] != (run.hashes.get(file, "no file") if file else ""):
        check.find("contradiction", file or where, f"are not the weights that {where} was made with")


def check_scores(run: RunFolder, check: Check) -> None:
    """Compare every row of scores with the data, weights and options that made it, and the whole with its parts."""
    whole = read_table(run.layout.all_scores)
    check.n = f"{len(whole)} scores"
    parts = sorted(run.layout.scores("*", "*").parents[1].rglob("*.parquet"))
    _compare_parts(check, whole, [read_table(path) for path in parts])
    for (set_name, method), rows in whole.groupby(["set", "method"], sort=True):
        where = f"scores.parquet, {set_name} / {method}"
        check.guarded(where, partial(_check_rows, run, check, str(set_name), str(method), rows), None)


_KEY = ["set", "method", "subject", "metric", "region"]


def _compare_parts(check: Check, whole: pd.DataFrame, parts: list[pd.DataFrame]) -> None:
    """Row by row: the collected scores are those of the single evaluations."""
    there = {tuple(row[k] for k in _KEY): row for part in parts for row in part.to_dict("records")}
    seen = set()
    for row in whole.to_dict("records"):
        key = tuple(row[k] for k in _KEY)
        seen.add(key)
        other = there.get(key)
        where = f"scores.parquet, {_row_name(key)}"
        if other is None:
            check.find("added", where, f"is not among the scores of {_part(key)}")
            continue
        for column in row:
            a, b = row[column], other.get(column)
            if a != b and not (pd.isna(a) and pd.isna(b)):
                check.find("contradiction", where, f"{column} is {a}, in {_part(key)} it is {b}")
    sets = set(whole["set"])
    for key in there:
        if key not in seen and (key[0] in sets or whole.empty):
            check.find("missing", f"scores.parquet, {_row_name(key)}", f"is in {_part(key)} and not in the whole")


def _row_name(key: tuple[Any, ...]) -> str:
    return f"{key[0]} / {key[1]} / {key[2]}: {key[3]}, {key[4]}"


def _part(key: tuple[Any, ...]) -> str:
    return f"scores/.../{key[0]}/{key[1]}.parquet"


def _check_rows(run: RunFolder, check: Check, set_name: str, method: str, rows: pd.DataFrame) -> None:
    scans = run.of.sets[set_name]
    status = run.name(run.layout.map_status(set_name, method))
    made = run.json(status)
    facts = {
        "config_hash": json_hash({"method": made["method"], "options": made["options"]}),
        "weights_hash": made["weights_sha256"],
        "seed": run.config.seed,
    }
    for column, expected in facts.items():
        for value in rows.loc[rows[column] != expected, column].unique()[:1]:
            text = f"{column} is {value}, but {status} and the configuration give {expected}"
            check.find("contradiction", f"scores.parquet, {set_name} / {method}", text)
    known = {name: scans.data_hash(name) for name in scans.names}
    state = {str(row["scan"]): row["status"] for row in made["scans"]}
    for subject, own in rows.groupby("subject", sort=True):
        where = f"scores.parquet, {set_name} / {method} / {subject}"
        if set(own["data_hash"]) != {known.get(str(subject))}:
            check.find("contradiction", where, "was scored on other data than is there (data_hash)")
        if set(own["status"]) != {state.get(str(subject))}:
            check.find("contradiction", where, f"its status is not that of {status}")
    for subject in sorted(set(state) - set(rows["subject"])):
        check.find("missing", f"scores.parquet, {set_name} / {method} / {subject}", "has a map and no score")
