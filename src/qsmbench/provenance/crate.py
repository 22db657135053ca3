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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

from rocrate.model.computationalworkflow import ComputationalWorkflow
from rocrate.model.computerlanguage import ComputerLanguage
from rocrate.model.contextentity import ContextEntity
from rocrate.model.dataset import Dataset
from rocrate.model.entity import Entity
from rocrate.model.file import File
from rocrate.rocrate import ROCrate

from qsmbench.core.errors import InputError
from qsmbench.data.atomic import write_json_atomic, write_text_atomic
from qsmbench.data.download import sha256_of
from qsmbench.provenance.manifest import CRATE, EXCLUDED, MANIFEST, files_of, hash_files, tree_digest, write_manifest
from qsmbench.provenance.record import ENVIRONMENTS, Job, makers, read_jobs, remove_stale
from qsmbench.provenance.version import code_version

CONFIG = "provenance/config.json"
README = "README.md"
WORKFLOW = "provenance/workflow"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
_CONTEXT = "https://w3id.org/ro/terms/workflow-run/context"

_TYPES = {
    ".csv": "text/csv", ".html": "text/html", ".json": "application/json", ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet", ".png": "image/png", ".tex": "application/x-tex",
    ".tsv": "text/tab-separated-values", ".txt": "text/plain", ".gz": "application/gzip", ".smk": "text/plain",
    ".pt": "application/octet-stream", ".bib": "application/x-bibtex",
}  # fmt: skip

_TEXTS = dict.fromkeys(("README", ".bidsignore", "Snakefile", "requirements.lock", "pyproject.toml"), "text/plain")

# What folders of the results hold, for people; a folder that is not here has no description.
_FOLDERS = {
    "source": "the heads that everything is made from",
    "synthetic": "synthetic sets: Zarr stores, what was drawn and hashed of every sample, tissue labels",
    "acquisitions": "simulated scans in BIDS, with their truth",
    "prepared": "local fields of the scans",
    "networks": "trained networks: weights and the course of the training",
    "tuning": "parameters chosen on tuning sets",
    "reconstructions": "susceptibility maps of synthetic test sets, ppm, a Zarr store a method",
    "chimaps": "susceptibility maps of scans, ppm, a BIDS derivative a method",
    "scores": "scores by set and method, a row a subject, metric and region",
    "report": "tables, figures and the page",
    "inspect": "pictures of the synthetic sets",
    "timings": "seconds a subject",
    "benchmarks": "Snakemake's record of each job's time and memory",
    "provenance": "what made all this",
}

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


def write_crate(results: Path, config: Mapping[str, Any], workflow: Path, *, threads: int = 2) -> Made:
    """Describe a results folder.

    Args:
        results: the folder.
        config: resolved configuration, JSON-able.
        workflow: folder of the Snakefile.
        threads: files that are hashed at a time.

    Raises:
        InputError: no such folders, or a file name that the manifest cannot hold.
    """
    if not results.is_dir():
        raise InputError(f"{results} is not a folder; run the workflow first")
    if not (workflow / "Snakefile").is_file():
        raise InputError(f"{workflow} has no Snakefile; give the workflow's folder")
    remove_stale(results)
    write_json_atomic(results / CONFIG, dict(config))
    _copy_workflow(workflow, results / WORKFLOW)
    kinds = "; ".join(f"`{pattern}` ({why})" for pattern, why in EXCLUDED.items() if pattern not in (MANIFEST, CRATE))
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
    content = describe(results, hashes, config)
    write_text_atomic(results / CRATE, as_text(content))
    return Made(sha256_of(results / CRATE), len(paths), sum(sizes.values()), len(content["@graph"]), tuple(warnings))


def describe(results: Path, hashes: Mapping[str, str], config: Mapping[str, Any]) -> dict[str, Any]:
    """The crate's metadata, a function of the files alone: who makes it again can compare.

    Args:
        results: the folder, with its manifest.
        hashes: of the manifest.
        config: resolved configuration.
    """
    sizes = {path: (results / path).stat().st_size for path in hashes if (results / path).is_file()}
    crate = _Description(results, hashes, sizes, read_jobs(results)[0]).describe(config)
    content: dict[str, Any] = crate.metadata.generate()
    return content


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


class _Description:
    """Builds the crate's graph."""

    def __init__(self, results: Path, hashes: Mapping[str, str], sizes: Mapping[str, int], jobs: Sequence[Job]) -> None:
        self.results, self.hashes, self.sizes, self.jobs = results, dict(hashes), dict(sizes), jobs
        self.version, self.snakemake = self._versions()
        self.crate = ROCrate(version="1.1")
        self.items: dict[str, Entity] = {}
        self.stores = self._whole_stores()

    def describe(self, config: Mapping[str, Any]) -> ROCrate:
        root = self.crate.root_dataset
        title = dict(config).get("report", {}).get("title", "QSM benchmark")
        root["name"] = f"{title}: results of a qsmbench run"
        root["description"] = (
            "Synthetic sets, networks, susceptibility maps, scores, tables and report of one run of the qsmbench "
            f"workflow, with the record of every job. {README} says how to read and check it."
        )
        root["datePublished"] = self.jobs[-1].ended if self.jobs else "1970-01-01"
        terms = "No licence is stated here: who ran the workflow decides on the use of the results."
        licence = {"@type": "CreativeWork", "name": "No stated licence", "description": terms}
        root["license"] = self._context("#licence", licence)
        for identifier, (name, number) in PROFILES.items():
            profile = self._context(identifier, {"@type": "CreativeWork", "name": name, "version": number})
            root.append_to("conformsTo", profile)
        self.crate.metadata.extra_contexts.append(_CONTEXT)
        described = [{"@id": "https://w3id.org/ro/crate/1.1"}, {"@id": list(PROFILES)[-1]}]
        self.crate.metadata["conformsTo"] = described
        main = self._add_workflow()
        self._add_files()
        self.items[README]["about"] = root
        self._add_jobs()
        self._add_run(main)
        return self.crate

    def _versions(self) -> tuple[str, str]:
        """Of this package and of Snakemake, as the last job's record has them; without records, those here."""
        if not self.jobs:
            return code_version(), version("snakemake")
        code, name = self.jobs[-1].content["code"], self.jobs[-1].content["environment"]
        path = self.results / ENVIRONMENTS / f"{name}.json"
        packages = json.loads(path.read_text(encoding="utf-8"))["packages"] if path.is_file() else {}
        return f"{code['release']}+{code['commit'] or code['source_sha256'][:12]}", packages.get("snakemake", "")

    def _context(self, identifier: str, properties: dict[str, Any]) -> Entity:
        return self.crate.add(ContextEntity(self.crate, identifier, properties=properties))

    def _file_properties(self, path: str) -> dict[str, Any]:
        kind = _TEXTS.get(PurePosixPath(path).name) or _TYPES.get(PurePosixPath(path).suffix)
        about = {"contentSize": str(self.sizes.get(path, 0)), "sha256": self.hashes[path]}
        return about | {"encodingFormat": kind or "application/octet-stream"}

    def _add_file(self, path: str, kind: Any = File, **more: Any) -> Entity:
        properties = {"name": path, **self._file_properties(path), **more}
        entity = self.crate.add(kind(self.crate, dest_path=path, properties=properties))
        self.items[path] = entity
        return entity

    def _add_workflow(self) -> Entity:
        language = ComputerLanguage(
            self.crate,
            "https://w3id.org/workflowhub/workflow-ro-crate#snakemake",
            properties={
                "name": "Snakemake",
                "identifier": {"@id": "https://doi.org/10.12688/f1000research.29032.2"},
                "url": {"@id": "https://snakemake.readthedocs.io"},
                "version": self.snakemake,
            },
        )
        self.crate.add(language)
        snakefile = f"{WORKFLOW}/Snakefile"
        main = self._add_file(snakefile, ComputationalWorkflow)
        main["name"] = "qsmbench workflow"
        main["version"] = self.version
        main["programmingLanguage"] = language
        bioschemas = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
        main["conformsTo"] = self._context(
            bioschemas, {"@type": "CreativeWork", "name": "ComputationalWorkflow", "version": "1.0-RELEASE"}
        )
        self.crate.root_dataset["mainEntity"] = main
        for path in sorted(self.hashes):
            if path.startswith(f"{WORKFLOW}/") and path.endswith(".smk"):
                rules = self._add_file(path, File, **{"@type": ["File", "SoftwareSourceCode"], "version": self.version})
                rules["programmingLanguage"] = language
                main.append_to("hasPart", rules)
        config = self._add_file(CONFIG, description="the resolved configuration")
        parameter = self._parameter("#parameter-config", "config", "what the run makes", config)
        main["input"] = parameter
        return main

    def _parameter(self, identifier: str, name: str, text: str, example: Entity) -> Entity:
        """A formal parameter of the workflow, and the file that stood for it in this run."""
        bioschemas = "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"
        properties = {"@type": "FormalParameter", "name": name, "description": text, "additionalType": "File"}
        parameter = self._context(identifier, properties)
        parameter["conformsTo"] = self._context(
            bioschemas, {"@type": "CreativeWork", "name": "FormalParameter", "version": "1.0-RELEASE"}
        )
        parameter["workExample"] = example
        example["exampleOfWork"] = parameter
        return parameter

    def _whole_stores(self) -> dict[str, list[str]]:
        """Zarr stores that one job made, or no known job: each with its files."""
        last = makers(self.jobs)
        found: dict[str, list[str]] = {}
        for path in sorted(self.hashes):
            parts = PurePosixPath(path).parts
            at = next((i for i, part in enumerate(parts) if part.endswith(".zarr")), None)
            if at is not None:
                found.setdefault("/".join(parts[: at + 1]), []).append(path)
        return {store: files for store, files in found.items() if len({last[f].path for f in files if f in last}) <= 1}

    def _add_files(self) -> None:
        folders: dict[str, Entity] = {}
        for name, text in _FOLDERS.items():
            if any(path.startswith(f"{name}/") for path in self.hashes):
                properties = {"name": name, "description": text}
                folders[name] = self.crate.add(Dataset(self.crate, dest_path=f"{name}/", properties=properties))
        for store, files in self.stores.items():
            properties = {
                "name": store,
                "description": f"Zarr store of {len(files)} files; sha256 is that of their lines in {MANIFEST}, "
                "paths from this folder",
                "encodingFormat": "application/vnd.zarr+v3",
                "contentSize": str(sum(self.sizes.get(path, 0) for path in files)),
                "sha256": tree_digest(self.hashes, store),
            }
            entity = self.crate.add(Dataset(self.crate, dest_path=f"{store}/", properties=properties))
            self.items |= dict.fromkeys(files, entity)
        for path in sorted(self.hashes):
            if path not in self.items:
                self._add_file(path)
        size, digest = (self.results / MANIFEST).stat().st_size, sha256_of(self.results / MANIFEST)
        properties = {
            "name": MANIFEST,
            "description": "SHA-256 of every file, for sha256sum -c",
            "contentSize": str(size),
            "sha256": digest,
            "encodingFormat": "text/plain",
        }
        self.crate.add(File(self.crate, dest_path=MANIFEST, properties=properties))

    def _add_jobs(self) -> None:
        commands: dict[tuple[str, str], Entity] = {}
        for job in self.jobs:
            code = job.content["code"]
            made_by = str(code["commit"] or code["source_sha256"][:12]) + ("-dirty" if code["dirty"] else "")
            key = job.command, f"{code['release']}+{made_by}"
            if key not in commands:
                properties = {
                    "@type": "SoftwareApplication",
                    "name": f"qsmbench {job.command}",
                    "softwareVersion": key[1],
                    "description": f"SHA-256 of the package's source: {code['source_sha256']}",
                }
                commands[key] = self._context(f"#qsmbench-{job.command}-{made_by}", properties)
            action = self._context(
                f"#{PurePosixPath(job.path).stem}",
                {
                    "@type": "CreateAction",
                    "name": job.text,
                    "description": " ".join(["qsmbench", *job.content["arguments"]]),
                    "startTime": job.content["started"],
                    "endTime": job.ended,
                    "actionStatus": "http://schema.org/CompletedActionStatus",
                },
            )
            action["instrument"] = commands[key]
            action["object"] = [*self._entities(job.inputs), *map(self._external, job.content["external"])]
            action["result"] = self._entities(job.outputs)
            action["subjectOf"] = self.items[job.path]
            self.crate.root_dataset.append_to("mentions", action)

    def _entities(self, paths: Mapping[str, str]) -> list[Entity]:
        """The items of files, each once, in the order of the paths."""
        found = {self.items[path].id: self.items[path] for path in sorted(paths) if path in self.items}
        return list(found.values())

    def _external(self, about: Mapping[str, Any]) -> Entity:
        """A file that is not part of the crate: name, size and hash."""
        return self._context(
            f"#input-{about['sha256']}",
            {
                "@type": "CreativeWork",
                "name": about["name"],
                "contentSize": str(about["bytes"]),
                "sha256": about["sha256"],
                "description": "an input that is not part of this crate, by its hash",
            },
        )

    def _add_run(self, main: Entity) -> None:
        results = [p for p in self.hashes if p == "scores.parquet" or p.startswith("report/")]
        page = next((p for p in results if p == "report/index.html"), None)
        if page is not None:
            text = "tables, figures and comparisons on one page"
            main["output"] = self._parameter("#parameter-report", "report", text, self.items[page])
        external = {a["sha256"]: a for job in self.jobs for a in job.content["external"]}
        action = self._context(
            "#run",
            {
                "@type": "CreateAction",
                "name": "run of the qsmbench workflow",
                "description": f"every job of the workflow with {CONFIG}, {len(self.jobs)} in all",
                "actionStatus": "http://schema.org/CompletedActionStatus",
            },
        )
        action["instrument"] = main
        action["object"] = [self.items[CONFIG], *map(self._external, external.values())]
        action["result"] = self._entities(dict.fromkeys(results, ""))
        if self.jobs:
            action["startTime"] = min(str(job.content["started"]) for job in self.jobs)
            action["endTime"] = self.jobs[-1].ended
        self.crate.root_dataset.append_to("mentions", action)


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
