"""A results folder as a Workflow Run RO-Crate: what is in it, what made each file of it, from what, when and on what.

    ro-crate-metadata.json         every file or Zarr store with hash and size, the workflow, every job
    manifest-sha256.txt            every file with its SHA-256 (`sha256sum -c manifest-sha256.txt`)
    README.md                      how to read all this                provenance/config.json   resolved configuration
    provenance/workflow/           Snakefile, rules, lock              provenance/jobs/          a record a job
    provenance/environments/       packages, hardware, libraries

RO-Crate 1.1 (Sefton 2023, doi 10.5281/zenodo.7867028; Soiland-Reyes 2022, doi 10.3233/DS-210053) with the profiles
Process Run Crate 0.5, Workflow Run Crate 0.5 (Leo 2024, doi 10.1371/journal.pone.0309210) and Workflow RO-Crate 1.0. A
Zarr store that one job made is one item with one hash; of a store made by several jobs each job's files are items.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qsmbench.core.errors import InputError
from qsmbench.data.atomic import write_text_atomic
from qsmbench.data.download import sha256_of
from qsmbench.provenance.crate_graph import CONFIG, README, WORKFLOW, describe
from qsmbench.provenance.manifest import CRATE, EXCLUDED, MANIFEST, SIGNATURE, files_of, hash_files, write_manifest
from qsmbench.provenance.record import makers, read_jobs, remove_stale

_OWN = (MANIFEST, CRATE, SIGNATURE)
_README = """# How this folder came about, and how to check it

`{crate}` describes every file, the workflow and every job (RO-Crate, https://w3id.org/ro/crate).
`{manifest}` lists every file with its SHA-256; where you have nothing else,

    sha256sum -c {manifest}

finds a changed or a missing file. With qsmbench, which also makes tables, scores, samples and maps again and compares:

    qsmbench audit FOLDER

The SHA-256 of `{crate}` itself is the digest of everything. Whoever made this folder can publish it
elsewhere (a paper, an e-mail); `qsmbench audit FOLDER --digest HEX` holds the folder to it.

In `provenance/`:

- `config.json`: the resolved configuration. `workflow/`: Snakefile, rules and the versions it was tested with.
- `jobs/`: for every job the command, code, files read and written with their hashes, times, threads, host.
- `environments/`: for every machine that took part the packages, processor, libraries and thread variables.

Units are ppm, paramagnetic positive. Not listed, since no result: {excluded}.
"""


@dataclass(frozen=True)
class Made:
    """A crate that was written.

    Attributes:
        digest: SHA-256 of its metadata, hexadecimal: fixes every file.
        n_files: in the manifest.
        n_bytes: of those files.
        n_entities: in the metadata.
        warnings: what was odd: a file that is not what its job wrote, an unreadable record.
    """

    digest: str
    n_files: int
    n_bytes: int
    n_entities: int
    warnings: tuple[str, ...]


def write_crate(
    results: Path, config: Mapping[str, Any], workflow: Path, folders: Mapping[str, str], *, threads: int = 2
) -> Made:
    """Describe a results folder.

    Args:
        results: the folder.
        config: resolved configuration, JSON-able.
        workflow: folder of the Snakefile.
        folders: what folders of the results hold, for people; one that is not here has no description.
        threads: files that are hashed at a time.

    Raises:
        InputError: no such folders, or a file name that the manifest cannot hold.
    """
    if not results.is_dir():
        raise InputError(f"{results} is not a folder; run the workflow first")
    if not (workflow / "Snakefile").is_file():
        raise InputError(f"{workflow} has no Snakefile; give the workflow's folder")
    remove_stale(results)
    if not (results / CONFIG).is_file():
        # The workflow wrote it; its order is that of tables, so nothing is sorted.
        write_text_atomic(results / CONFIG, json.dumps(dict(config), indent=2) + "\n")
    _copy_workflow(workflow, results / WORKFLOW)
    kinds = "; ".join(f"`{pattern}` ({why})" for pattern, why in EXCLUDED.items() if pattern not in _OWN)
    write_text_atomic(results / README, _README.format(crate=CRATE, manifest=MANIFEST, excluded=kinds))
    paths = files_of(results)
    hashes = hash_files(results, paths, threads)
    sizes = {path: (results / path).stat().st_size for path in paths}
    write_manifest(results, hashes)
    jobs, broken = read_jobs(results)
    last = makers(jobs)
    warnings = [f"{path} is no record of a job" for path in broken]
    warnings += [
        f"{path} is not what its job wrote ({job.path})"
        for path, job in sorted(last.items())
        if path in hashes and hashes[path] != job.outputs[path]
    ]
    content = describe(results, hashes, config, folders)
    # Of another state of the folder, or of this one: who signs signs what is there now.
    (results / SIGNATURE).unlink(missing_ok=True)
    write_text_atomic(results / CRATE, as_text(content))
    return Made(sha256_of(results / CRATE), len(paths), sum(sizes.values()), len(content["@graph"]), tuple(warnings))


def as_text(content: Mapping[str, Any]) -> str:
    """The metadata as it is written."""
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _copy_workflow(workflow: Path, out: Path) -> None:
    """Copy what says how the jobs hang together."""
    shutil.rmtree(out, ignore_errors=True)
    wanted = [workflow / "Snakefile", *sorted((workflow / "rules").rglob("*.smk"))]
    wanted += [path for name in ("requirements.lock", "pyproject.toml") if (path := workflow / name).is_file()]
    for path in wanted:
        target = out / path.relative_to(workflow)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())


def crate_digest(results: Path) -> str:
    """SHA-256 of the crate's metadata: the digest of everything.

    Raises:
        InputError: there is none.
    """
    try:
        return hashlib.sha256((results / CRATE).read_bytes()).hexdigest()
    except FileNotFoundError as error:
        raise InputError(
            f"{results} has no {CRATE}; make it with 'qsmbench crate', or give a whole results folder"
        ) from error
