"""Ways to tamper with a results folder, drawn from a generator, and what a forger would edit beside the file itself.

Level 0: the file alone. 1: and its line in the manifest. 2: and the crate's metadata. 3: and the record of its maker.
"""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import zarr

from qsmbench.data.download import sha256_of
from qsmbench.provenance.manifest import CRATE, MANIFEST, files_of, hash_files, tree_digest, write_manifest
from qsmbench.provenance.record import read_jobs


def linked_copy(results: Path, out: Path) -> Path:
    """A copy that shares its files' bytes with the original: `replace` writes a new file."""
    return Path(shutil.copytree(results, out, copy_function=os.link))


def replace(path: Path, content: bytes) -> None:
    assert not path.is_file() or path.read_bytes() != content, f"{path} would stay what it is"
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def any_file(folder: Path, rng: np.random.Generator, *patterns: str) -> str:
    found = sorted(p.relative_to(folder).as_posix() for pattern in patterns for p in folder.glob(pattern))
    found = [path for path in found if (folder / path).is_file()]
    assert found, patterns
    return found[int(rng.integers(len(found)))]


def flip_byte(folder, rng, *patterns):
    path = any_file(folder, rng, *patterns)
    content = bytearray((folder / path).read_bytes())
    content[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
    replace(folder / path, bytes(content))
    return [path], [path]


def byte_of_a_shard(folder, rng):
    return flip_byte(folder, rng, "synthetic/*.zarr/*/c/**/*")


def byte_of_a_map(folder, rng):
    return flip_byte(folder, rng, "reconstructions/*/*/maps.zarr/chi/c/**/*")


def byte_of_weights(folder, rng):
    return flip_byte(folder, rng, "networks/*.pt")


def byte_of_a_volume(folder, rng):
    return flip_byte(folder, rng, "acquisitions/**/*.nii.gz", "prepared/**/*_desc-local*.nii.gz", "source/**/*.nii.gz")


def byte_of_a_chimap(folder, rng):
    return flip_byte(folder, rng, "reconstructions/**/*.nii.gz")


def byte_of_the_page(folder, rng):
    return flip_byte(folder, rng, "report/index.html", "report/figures/*.png")


def score_row(folder, rng):
    """One value of the collected scores."""
    path = folder / "scores.parquet"
    table = pd.read_parquet(path)
    row = int(rng.choice(np.flatnonzero(table["value"].notna())))
    table.loc[row, "value"] = float(table.loc[row, "value"]) * 0.9 + 0.01
    path.unlink()
    table.to_parquet(path, index=False)
    key = table.loc[row]
    return ["scores.parquet"], ["scores.parquet", f"{key['set']} / {key['method']} / {key['subject']}: {key['metric']}"]


def table_cell(folder, rng):
    """One digit of one cell of a table; comparisons of three subjects have none."""
    path = any_file(folder, rng, *(f"report/tables/[!c]*.{kind}" for kind in ("csv", "md", "tex")))
    lines = (folder / path).read_text().splitlines(keepends=True)
    skip = {".csv": 1, ".md": 4, ".tex": 8}[Path(path).suffix]
    end = {".csv": len(lines), ".md": len(lines) - 2, ".tex": len(lines) - 3}[Path(path).suffix]
    places = [
        (i, j) for i in range(skip, end) for j, c in enumerate(lines[i]) if c.isdigit() and lines[i][j - 1] in ".,"
    ]
    i, j = places[int(rng.integers(len(places)))]
    digit = str((int(lines[i][j]) + 1) % 10)
    lines[i] = lines[i][:j] + digit + lines[i][j + 1 :]
    replace(folder / path, "".join(lines).encode())
    return [path], [f"{path}, row", f"{path}"]


def swapped_files(folder, rng):
    """Two maps change places."""
    first = any_file(folder, rng, "reconstructions/*/*/maps.zarr/chi/c/*/0/0/0")
    store = first.split("/chi/c/")[0]
    others = [p for p in sorted(folder.glob(f"{store}/chi/c/*/0/0/0")) if p != folder / first]
    second = others[int(rng.integers(len(others)))]
    a, b = (folder / first).read_bytes(), second.read_bytes()
    replace(folder / first, b)
    replace(second, a)
    return [first, second.relative_to(folder).as_posix()], [first, store]


def replaced_sample(folder, rng):
    """A sample of a set is written over by another, through Zarr."""
    store = folder / any_file(folder, rng, "synthetic/t*.zarr/zarr.json").removesuffix("/zarr.json")
    if zarr.open_array(store / "mask", mode="r").shape[0] < 2:
        store = folder / "synthetic/test.zarr"
    before = {p: p.read_bytes() for p in store.rglob("*") if p.is_file()}
    for path, content in before.items():
        path.unlink()
        path.write_bytes(content)
    n = zarr.open_array(store / "mask", mode="r").shape[0]
    to, from_ = rng.choice(n, 2, replace=False)
    for name in ("chi", "local_field", "mask"):
        array = zarr.open_array(store / name, mode="r+")
        array[int(to)] = array[int(from_)]
    changed = [p.relative_to(folder).as_posix() for p, content in before.items() if p.read_bytes() != content]
    name = store.relative_to(folder).as_posix()
    return changed, [f"{name}, sample {to}", *changed]


def json_value(folder, path, change):
    content = json.loads((folder / path).read_text())
    change(content)
    replace(folder / path, (json.dumps(content, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode())
    return [path], [path]


def seed(folder, rng):
    return json_value(folder, "provenance/config.json", lambda c: c.update(seed=c["seed"] + int(rng.integers(1, 99))))


def option(folder, rng):
    def change(config):
        config["methods"]["tkd"]["options"] = {"threshold": 0.21}

    return json_value(folder, "provenance/config.json", change)


def recipe(folder, rng):
    def change(config):
        config["synthetic"]["test"]["recipe"]["voxel_size"]["max"][2] = 6.5

    return json_value(folder, "provenance/config.json", change)


def drawn_parameters(folder, rng):
    path = any_file(folder, rng, "synthetic/*.hashes/*.json")

    def change(content):
        content["samples"][0]["sha256"]["chi"] = "0" * 64

    return json_value(folder, path, change)


def record_of_a_job(folder, rng):
    path = any_file(folder, rng, "provenance/jobs/make-shard-*.json", "provenance/jobs/evaluate-*.json")
    return json_value(folder, path, lambda c: c["inputs"].update({next(iter(c["inputs"])): "0" * 64}))


def status(folder, rng):
    path = any_file(folder, rng, "reconstructions/*/*.json")
    return json_value(folder, path, lambda c: c.update(weights_sha256="0" * 64))


def deleted(folder, rng):
    path = any_file(folder, rng, "synthetic/**/c/**/*", "scores/*/*.parquet", "report/tables/*", "networks/*")
    (folder / path).unlink()
    return [path], [path]


def added(folder, rng):
    source = any_file(folder, rng, "report/tables/*.csv")
    path = source.replace(".csv", f"-{int(rng.integers(1000))}.csv")
    (folder / path).write_bytes((folder / source).read_bytes())
    return [path], [path]


# Every way, and up to which level a forger is found without a digest from elsewhere.
WAYS = {
    byte_of_a_shard: 3, byte_of_a_map: 3, byte_of_weights: 3, byte_of_a_volume: 3, byte_of_a_chimap: 3,
    byte_of_the_page: 2, score_row: 3, table_cell: 3, swapped_files: 3, replaced_sample: 3, seed: 3, option: 3,
    recipe: 3, drawn_parameters: 3, record_of_a_job: 2, status: 3, deleted: 2, added: 2,
}  # fmt: skip


def tamper(folder: Path, rng: np.random.Generator, way) -> tuple[int, list[str]]:
    """Tamper one way at a random level; return the level, and names of which a finding must hold one."""
    changed, names = way(folder, rng)
    level = int(rng.integers(WAYS[way] + 1))
    forge(folder, changed, level)
    return level, names


def forge(folder: Path, changed: list[str], level: int) -> None:
    """Edit what else tells of the changed files."""
    if level >= 3:
        jobs, _ = read_jobs(folder)
        for job in jobs:
            if hit := [path for path in changed if path in job.outputs]:
                content = job.content
                content["outputs"].update({path: sha256_of(folder / path) for path in hit})
                replace(folder / job.path, (json.dumps(content, sort_keys=True, indent=2) + "\n").encode())
    if level >= 1:
        hashes = hash_files(folder, files_of(folder))
        (folder / MANIFEST).unlink()
        write_manifest(folder, hashes)
    if level >= 2:
        crate = json.loads((folder / CRATE).read_text())
        kept = []
        for entity in crate["@graph"]:
            path = entity["@id"]
            if "sha256" in entity and path == MANIFEST:
                entity["sha256"] = sha256_of(folder / MANIFEST)
            elif "sha256" in entity and path.endswith("/"):
                entity["sha256"] = tree_digest(hashes, path)
            elif "sha256" in entity and path in hashes:
                entity |= {"sha256": hashes[path], "contentSize": str((folder / path).stat().st_size)}
            elif "sha256" in entity and not path.startswith("#"):
                continue
            kept.append(entity)
        known = {entity["@id"] for entity in kept}
        kept += [{"@id": p, "@type": "File", "sha256": hashes[p]} for p in changed if p in hashes and p not in known]
        (folder / CRATE).unlink()
        (folder / CRATE).write_text(json.dumps(crate | {"@graph": kept}, indent=1))
