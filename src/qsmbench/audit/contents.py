"""What files say of each other: samples, maps, weights and scores carry hashes of one another inside them.

These hashes are of contents (a sample's arrays, a map's voxels), not of files, so they hold against shards that were
packed again, and they name the sample.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import zarr

from qsmbench.audit.check import Check
from qsmbench.audit.run_folder import RunFolder
from qsmbench.benchmark.evaluation import config_hash
from qsmbench.benchmark.source import read_about
from qsmbench.benchmark.synthesis import recipe_hash
from qsmbench.core.errors import InputError
from qsmbench.data.layout import HEAD_FILES, OPTIONAL, VECTORS, VOLUMES

# What damaged files make the libraries below raise.
DAMAGE = (ValueError, KeyError, TypeError, LookupError, OSError, RuntimeError, InputError, AttributeError)


def check_contents(run: RunFolder, rng: np.random.Generator, most: int = 200) -> Check:
    """Compare the hashes inside the files with what they hash.

    Args:
        run: the folder.
        rng: chooses the samples of a set that has more than ``most``.
        most: samples of a set, or maps of a method on a set, whose voxels are read.
    """
    check = Check("contents", "Do samples, maps, weights and scores belong together?")
    samples, maps = 0, 0
    _guarded(check, "source/source.json", partial(_check_source, run, check))
    for folder in sorted((run.path / "synthetic").glob("*.hashes")):
        name = folder.name.removesuffix(".hashes")
        samples += _guarded(check, f"synthetic/{name}.zarr", partial(_check_set, run, check, name, rng, most))
    for path in sorted((run.path / "reconstructions").glob("*/*.json")):
        where = path.relative_to(run.path).as_posix()
        maps += _guarded(check, where, partial(_check_maps, run, check, path, rng, most))
    for path in sorted((run.path / "chimaps").glob("*/*.json")):
        where = path.relative_to(run.path).as_posix()
        maps += _guarded(check, where, partial(_check_chimaps, run, check, path))
    check.n = f"{samples} samples, {maps} maps"
    return check


def _guarded(check: Check, where: str, look: Callable[[], int]) -> int:
    """Look, and return at how many things; a file that cannot be read is a finding, not the end of the audit."""
    try:
        return look()
    except DAMAGE as error:
        check.find("changed", where, f"cannot be read: {' '.join(str(error).split()) or type(error).__name__}")
        return 0


def _check_source(run: RunFolder, check: Check) -> int:
    if not run.has("source/source.json"):
        return 0
    for number, head in enumerate(read_about(run.path / "source")):
        for name in HEAD_FILES:
            path = f"source/{number}/{name}"
            if path in run.hashes and run.hashes[path] != head["files"][name]:
                check.find("contradiction", path, "is not the head that source/source.json describes")
    return 1


def _check_set(run: RunFolder, check: Check, name: str, rng: np.random.Generator, most: int) -> int:
    """The samples of a set: their drawn parameters, shards and contents."""
    store = f"synthetic/{name}.zarr"
    group = zarr.open_group(run.path / store, mode="r", zarr_format=3)
    spec = run.config.synthetic.get(name)
    if spec is None:
        check.notes.append(f"{store} is there, and the configuration does not name it.")
        return 0
    about: dict[str, Any] = group.attrs.asdict()
    if about.get("seed") != run.config.seed:
        text = f"was made with the seed {about.get('seed')}, the configuration has {run.config.seed}"
        check.find("contradiction", f"{store}/zarr.json", text)
    heads = read_about(run.path / "source") if run.has("source/source.json") else about["heads"]
    if about.get("recipe_hash") != recipe_hash(name, spec, run.config.seed, heads):
        text = "its recipe, seed or source is not that of the configuration (recipe_hash differs)"
        _find_or_note(run, check, f"{store}/zarr.json", text)
    rows: dict[int, tuple[str, dict[str, str]]] = {}
    for shard in range(spec.n_shards):
        path = f"synthetic/{name}.hashes/{shard}.json"
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
            try:
                found = array_hash(np.asarray(_array(group, variable)[index]))
            except DAMAGE as error:
                text = f"{variable} cannot be read ({' '.join(str(error).split())[:80]})"
                check.find("changed", f"{store}, sample {index}", text)
                continue
            if found != expected[variable]:
                text = f"{variable} is not what was drawn ({path})"
                check.find("contradiction", f"{store}, sample {index}", text)
    return len(chosen)


def _find_or_note(run: RunFolder, check: Check, where: str, text: str) -> None:
    """A finding where this code is the run's; another version's recipe may have other keys."""
    if run.same_code:
        check.find("contradiction", where, text)
    else:
        check.notes.append(f"{where}: {text}; another version of the code made it, which may be why.")


def _array(group: zarr.Group, name: str) -> Any:
    return group[name]


def array_hash(content: np.ndarray) -> str:
    """SHA-256 of an array's elements."""
    return hashlib.sha256(np.ascontiguousarray(content).tobytes()).hexdigest()


def _check_maps(run: RunFolder, check: Check, status: Path, rng: np.random.Generator, most: int) -> int:
    """The maps of a method on a synthetic set."""
    where = status.relative_to(run.path).as_posix()
    made = run.json(where)
    set_name, name = status.parent.name, status.stem
    _check_method(run, check, where, made, name)
    store = where.removesuffix(".json") + ".zarr"
    maps = zarr.open_group(run.path / store, mode="r", zarr_format=3)
    rows = [row for row in made["samples"] if row["status"] == "ok"]
    if set_name in run.config.synthetic and len(made["samples"]) != run.config.synthetic[set_name].n_samples:
        check.find("contradiction", where, f"has {len(made['samples'])} samples, the configuration another number")
    if len(rows) > most:
        rows = [rows[i] for i in sorted(rng.choice(len(rows), most, replace=False))]
        check.notes.append(f"{store}: {most} of {len(made['samples'])} maps were read; all files were hashed.")
    for row in rows:
        try:
            found = array_hash(np.asarray(_array(maps, "chi")[row["sample"]]))
        except DAMAGE as error:
            text = f"cannot be read ({' '.join(str(error).split())[:80]})"
            check.find("changed", f"{store}, sample {row['sample']}", text)
            continue
        if found != row["sha256"]:
            check.find("contradiction", f"{store}, sample {row['sample']}", f"is not the map that {where} describes")
    return len(rows)


def _check_chimaps(run: RunFolder, check: Check, status: Path) -> int:
    """The maps of a method on scans."""
    where = status.relative_to(run.path).as_posix()
    made = run.json(where)
    _check_method(run, check, where, made, status.stem)
    folder = where.removesuffix(".json") + "/"
    there = {run.hashes[path] for path in run.hashes if path.startswith(folder) and path.endswith("_Chimap.nii.gz")}
    rows = [row for row in made["scans"] if row["status"] == "ok"]
    for row in rows:
        if row["sha256"] not in there:
            check.find("contradiction", f"{folder}, scan {row['scan']}", f"has no map that {where} describes")
    return len(rows)


def _check_method(run: RunFolder, check: Check, where: str, made: dict[str, Any], name: str) -> None:
    """Method, options and weights against the configuration, the tuning and the weights' file."""
    spec = run.config.methods.get(name)
    if spec is None:
        check.notes.append(f"{where} is of '{name}', which the configuration does not name.")
        return
    expected: dict[str, Any] = dict(spec.options)
    if spec.tuning is not None:
        expected |= run.json(f"tuning/{name}.json")["options"]
    if made["method"] != (spec.method or name) or made["options"] != expected:
        text = f"ran {made['method']} with {made['options']}, the configuration says {spec.method or name} {expected}"
        check.find("contradiction", where, text)
    weights = "" if spec.network is None else run.hashes.get(f"networks/{spec.network}.pt", "no file")
    if made["weights_sha256"] != weights:
        check.find("contradiction", f"networks/{spec.network}.pt", f"are not the weights that {where} was made with")


def check_scores(run: RunFolder) -> Check:
    """Compare every row of scores with the data, weights and options that made it, and the whole with its parts."""
    check = Check("scores", "Does every score belong to its data, its method and its weights?")

    def look() -> int:
        whole = pd.read_parquet(run.path / "scores.parquet")
        check.n = f"{len(whole)} scores"
        parts = sorted((run.path / "scores").rglob("*.parquet"))
        _compare_parts(check, whole, [pd.read_parquet(path) for path in parts])
        for (set_name, method), rows in whole.groupby(["set", "method"], sort=True):
            _check_rows(run, check, str(set_name), str(method), rows)
        return len(whole)

    _guarded(check, "scores.parquet", look)
    return check


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
    scans = set_name in run.config.acquisitions
    status = f"{'chimaps' if scans else 'reconstructions'}/{set_name}/{method}.json"
    made = run.json(status)
    facts = {
        "config_hash": config_hash({"method": made["method"], "options": made["options"]}),
        "weights_hash": made["weights_sha256"],
        "seed": run.config.seed,
    }
    for column, expected in facts.items():
        for value in rows.loc[rows[column] != expected, column].unique()[:1]:
            text = f"{column} is {value}, but {status} and the configuration give {expected}"
            check.find("contradiction", f"scores.parquet, {set_name} / {method}", text)
    known = dict(_data_hashes(run, set_name, scans))
    state = {
        (f"{row['sample']:05d}" if "sample" in row else str(row["scan"])): row["status"]
        for row in made.get("samples", made.get("scans", []))
    }
    for subject, own in rows.groupby("subject", sort=True):
        where = f"scores.parquet, {set_name} / {method} / {subject}"
        if set(own["data_hash"]) != {known.get(str(subject))}:
            check.find("contradiction", where, "was scored on other data than is there (data_hash)")
        if set(own["status"]) != {state.get(str(subject))}:
            check.find("contradiction", where, f"its status is not that of {status}")
    for subject in sorted(set(state) - set(rows["subject"])):
        check.find("missing", f"scores.parquet, {set_name} / {method} / {subject}", "has a map and no score")


def _data_hashes(run: RunFolder, set_name: str, scans: bool) -> Iterator[tuple[str, str]]:
    """Each subject's data_hash, as `evaluate` and `evaluate-subjects` form it."""
    if not scans:
        for path in sorted((run.path / f"synthetic/{set_name}.hashes").glob("*.json")):
            for row in run.json(path.relative_to(run.path).as_posix())["samples"]:
                yield f"{row['sample']:05d}", config_hash(row["sha256"])
        return
    field, mask = "_desc-local_fieldmap.nii.gz", "_desc-local_mask.nii.gz"
    folder = f"prepared/{set_name}/"
    for file in run.hashes:
        if file.startswith(folder) and file.endswith(field):
            name = file.rsplit("/", 1)[-1].removesuffix(field).removeprefix("sub-")
            yield name, config_hash([run.hashes[file], run.hashes.get(file.removesuffix(field) + mask)])
