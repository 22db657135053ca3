"""A forger of everything: changes what he likes, then makes all that tells of it again with our own commands.

Scores, tables, page, hashes inside, every record, manifest and crate agree afterwards. What is left to find him is what
does not come out again, what the configuration contradicts, and a digest from elsewhere.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import zarr
from little_run import ROOT, quiet
from tampering import replace

from qsmbench.benchmark.evaluation import score_map
from qsmbench.benchmark.run import Run
from qsmbench.config.load import check_config
from qsmbench.core.hashes import array_hash, json_hash
from qsmbench.data.download import sha256_of
from qsmbench.provenance.manifest import files_of
from qsmbench.provenance.record import read_jobs


def write_json(path: Path, content) -> None:
    path.unlink()
    path.write_text(json.dumps(content, sort_keys=True, indent=2) + "\n")


def write_table(path: Path, table: pd.DataFrame) -> None:
    path.unlink()
    table.to_parquet(path, index=False)


def own_files(folder: Path) -> None:
    """Give a linked copy files of its own, since stores are written in place."""
    for path in [p for p in folder.rglob("*") if p.is_file() and ".zarr" in str(p)]:
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)


def consistent(folder: Path) -> None:
    """Make tables and page from the scores again, then every record, the manifest and the crate."""
    quiet("report", str(folder))
    there = {path: sha256_of(folder / path) for path in files_of(folder)}
    for job in read_jobs(folder)[0]:
        for key in ("inputs", "outputs"):
            job.content[key] = {path: there.get(path, digest) for path, digest in job.content[key].items()}
        write_json(folder / job.path, job.content)
    quiet("crate", str(folder), "--workflow", str(ROOT))


def of_scores(folder: Path, change) -> None:
    """Change the rows of the collected scores and of the parts alike."""
    for path in [folder / "scores.parquet", *folder.glob("scores/*/*.parquet")]:
        table = pd.read_parquet(path)
        change(table)
        write_table(path, table)


def rescore(folder: Path, method: str) -> None:
    """Score a method's maps as they are now."""
    config = json.loads((folder / "provenance/config.json").read_text())
    scans = Run(check_config(config), folder).sets["test"]
    made = {}
    for name in scans.names:
        chi = scans.read_map(folder / f"reconstructions/test/{method}", name)
        for score in score_map(scans, name, chi, config["evaluation"]["metrics"]):
            made[name, score.metric, score.region] = score.value
    hashes = {name: scans.data_hash(name) for name in scans.names}

    def change(table):
        own = table["method"] == method
        keys = list(zip(table["subject"], table["metric"], table["region"], strict=True))
        table["value"] = [made.get(k, v) if o else v for k, v, o in zip(keys, table["value"], own, strict=True)]
        table["data_hash"] = [hashes[k[0]] for k in keys]

    of_scores(folder, change)


def of_maps(folder: Path, method: str, change, only: int | None = None) -> None:
    """Change a method's maps, their hashes, and their scores."""
    array = zarr.open_array(folder / f"reconstructions/test/{method}/maps.zarr/chi", mode="r+")
    status = json.loads((folder / f"reconstructions/test/{method}.json").read_text())
    for index, row in enumerate(status["scans"]):
        if only in {None, index}:
            array[index] = change(np.asarray(array[index]))
            row["sha256"] = array_hash(np.asarray(array[index]))
    write_json(folder / f"reconstructions/test/{method}.json", status)
    rescore(folder, method)


def of_sample(folder: Path, name: str, change) -> None:
    """Change one volume of one sample, its hashes, and every score that follows."""
    store = folder / "synthetic/test.zarr"
    array = zarr.open_array(store / name, mode="r+")
    array[1] = change(np.asarray(array[1]))
    path = folder / "synthetic/test.hashes/0.json"
    about = json.loads(path.read_text())
    about["samples"][1]["sha256"][name] = array_hash(np.asarray(array[1]))
    about["files"] = {file: sha256_of(store / file) for file in about["files"]}
    write_json(path, about)
    for method in ("tkd", "l2"):
        rescore(folder, method)


def of_config(folder: Path, change) -> None:
    path = folder / "provenance/config.json"
    config = json.loads(path.read_text())
    change(config)
    replace(path, (json.dumps(config, indent=2) + "\n").encode())
    display = json.loads((folder / "report/display.json").read_text())
    display["config"] = config
    display["provenance"]["config_hash"] = json_hash(config)
    write_json(folder / "report/display.json", display)


def of_json(folder: Path, path: str, change) -> None:
    content = json.loads((folder / path).read_text())
    change(content)
    write_json(folder / path, content)


def scaled(method, factor):
    def change(table):
        table.loc[(table["method"] == method) & (table["metric"] == "rmse"), "value"] *= factor

    return lambda folder: of_scores(folder, change)


def one_score(folder):
    def change(table):
        row = (table["subject"] == "00002") & (table["metric"] == "correlation") & (table["method"] == "tkd")
        table.loc[row, "value"] = 0.99

    of_scores(folder, change)


def changed_places(folder):
    whole = pd.read_parquet(folder / "scores.parquet")
    value = whole.set_index(["method", "subject", "metric", "region"])["value"].to_dict()

    def change(table):
        other = {"tkd": "l2", "l2": "tkd"}
        keys = zip(table["method"], table["subject"], table["metric"], table["region"], strict=True)
        table["value"] = [value[other[m], s, k, r] for m, s, k, r in keys]

    of_scores(folder, change)


def lost_failure(folder):
    """A bad map is said to have failed."""

    def change(table):
        own = (table["method"] == "tkd") & (table["subject"] == "00000")
        table.loc[own, "value"] = np.nan
        table.loc[own, "status"] = "failed"
        table.loc[own, "message"] = "did not converge"

    of_scores(folder, change)
    failed = {"status": "failed", "message": "did not converge"}
    of_json(folder, "reconstructions/test/tkd.json", lambda c: c["scans"][0].update(failed))


def page(folder):
    """Nothing reads the page again: a digest alone finds this."""
    path = folder / "report/index.html"
    replace(path, path.read_bytes().replace(b"<h1>", b"<h1>Best of all: "))


def telling(key, value):
    def change(folder):
        for path in folder.glob("provenance/jobs/*.json"):
            content = json.loads(path.read_text())
            content["code"][key] = value
            write_json(path, content)

    return change


# What is forged; whether the default audit must find it without a digest, or may find it by chance ("chance").
FORGERIES = {
    "rmse of a method times 0.8": (scaled("l2", 0.8), True),
    "rmse of a method times 0.999": (scaled("tkd", 0.999), True),
    "one score": (one_score, True),
    "scores of two methods change places": (changed_places, True),
    "all maps of a method times 0.9": (lambda f: of_maps(f, "tkd", lambda chi: chi * np.float32(0.9)), True),
    "all maps of a method smoothed": (lambda f: of_maps(f, "l2", lambda chi: (chi + np.roll(chi, 1, 0)) / 2), True),
    "all maps of a method are the truth": (None, True),
    "one map times 0.9": (lambda f: of_maps(f, "tkd", lambda chi: chi * np.float32(0.9), only=1), "chance"),
    "one voxel of one map": (None, "chance"),
    "the truth of one sample": (lambda f: of_sample(f, "chi", lambda v: v // 2), "chance"),
    "the field of one sample": (lambda f: of_sample(f, "local_field", lambda v: v // 2), "chance"),
    "the mask of one sample": (lambda f: of_sample(f, "mask", lambda v: v & np.roll(v, 2, 0)), "chance"),
    "a failure that was none": (lost_failure, "chance"),
    "another seed": (lambda f: of_config(f, lambda c: c.update(seed=c["seed"] + 1)), True),
    "another option": (lambda f: of_config(f, lambda c: c["methods"]["tkd"]["options"].update(threshold=0.3)), True),
    "another recipe": (lambda f: of_config(
        f, lambda c: c["synthetic"]["test"]["recipe"]["voxel_size"].update(max=[5.0, 5.0, 6.5])), True),
    "labels of methods": (lambda f: of_json(
        f, "report/display.json", lambda c: c["methods"]["tkd"].update(label="The best of all")), True),
    "a metric left out of the tables": (lambda f: of_json(
        f, "report/display.json", lambda c: c["metrics"]["rmse"].update(better="higher")), True),
    "a claim on the page": (page, "digest"),
    "the commit of every job": (telling("commit", "0" * 40), "digest"),
}  # fmt: skip


def truth_as_map(folder):
    store = folder / "synthetic/test.zarr"
    chi = zarr.open_array(store / "chi", mode="r")
    maps = zarr.open_array(folder / "reconstructions/test/l2/maps.zarr/chi", mode="r+")
    status = json.loads((folder / "reconstructions/test/l2.json").read_text())
    for index, row in enumerate(status["scans"]):
        maps[index] = np.asarray(chi[index]).astype(np.float32) * np.float32(1e-4)
        row["sha256"] = array_hash(np.asarray(maps[index]))
    write_json(folder / "reconstructions/test/l2.json", status)
    rescore(folder, "l2")


def one_voxel(folder):
    def change(chi):
        chi = chi.copy()
        chi[tuple(n // 2 for n in chi.shape)] += np.float32(1)
        return chi

    of_maps(folder, "l2", change, only=2)


FORGERIES["all maps of a method are the truth"] = (truth_as_map, True)
FORGERIES["one voxel of one map"] = (one_voxel, "chance")


def forged(folder: Path, kind: str) -> None:
    """Forge in one way, consistently."""
    own_files(folder)
    FORGERIES[kind][0](folder)
    consistent(folder)
