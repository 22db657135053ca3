"""The metadata of a crate: what is in the folder, what made each file of it, from what, when and on what.

A Zarr store that one job made is one item with one hash; of a store made by several jobs each job's files are items.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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

from qsmbench.data.download import sha256_of
from qsmbench.provenance.manifest import MANIFEST, tree_digest
from qsmbench.provenance.record import ENVIRONMENTS, JobRecord, makers, read_jobs
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


def describe(
    results: Path, hashes: Mapping[str, str], config: Mapping[str, Any], folders: Mapping[str, str]
) -> dict[str, Any]:
    """The crate's metadata, a function of the files alone: who makes it again can compare.

    Args:
        results: the folder, with its manifest.
        hashes: of the manifest.
        config: resolved configuration.
        folders: what folders of the results hold, for people.
    """
    sizes = {path: (results / path).stat().st_size for path in hashes if (results / path).is_file()}
    crate = _Description(results, hashes, sizes, read_jobs(results)[0]).describe(config, folders)
    content: dict[str, Any] = crate.metadata.generate()
    return content


class _Description:
    """Builds the crate's graph."""

    def __init__(
        self, results: Path, hashes: Mapping[str, str], sizes: Mapping[str, int], jobs: Sequence[JobRecord]
    ) -> None:
        self.results, self.hashes, self.sizes, self.jobs = results, dict(hashes), dict(sizes), jobs
        self.version, self.snakemake = self._versions()
        self.crate = ROCrate(version="1.1")
        self.items: dict[str, Entity] = {}
        self.stores = self._whole_stores()

    def describe(self, config: Mapping[str, Any], folders: Mapping[str, str]) -> ROCrate:
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
        self._add_files(folders)
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

    def _add_files(self, folders: Mapping[str, str]) -> None:
        for name, text in folders.items():
            if any(path.startswith(f"{name}/") for path in self.hashes):
                properties = {"name": name, "description": text}
                self.crate.add(Dataset(self.crate, dest_path=f"{name}/", properties=properties))
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
