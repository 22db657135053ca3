"""A results folder as the audit sees it: hashes of the files as they are, records, configuration."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from qsmbench.benchmark.run import Run
from qsmbench.config.load import check_config
from qsmbench.config.model import Config
from qsmbench.core.damage import reading
from qsmbench.core.errors import InputError
from qsmbench.data.layout import RunLayout
from qsmbench.methods.registry import METHODS
from qsmbench.preparation.settings import ForeignRemoval
from qsmbench.provenance.crate_graph import CONFIG
from qsmbench.provenance.manifest import files_of, hash_files, read_manifest
from qsmbench.provenance.record import JobRecord, read_jobs
from qsmbench.provenance.version import source_sha256

# The metadata of a run of the paper's scale are a megabyte.
MOST_JSON_BYTES = 64 << 20


@dataclass
class RunFolder:
    """The folder.

    Attributes:
        path: of the results.
        threads: files that are hashed at a time.
    """

    path: Path
    threads: int = 2

    def __post_init__(self) -> None:
        # Paths of its layout are then absolute, and so no other path's continuation.
        self.path = self.path.resolve()

    @cached_property
    def listed(self) -> dict[str, str]:
        """The manifest: path to SHA-256."""
        return read_manifest(self.path)

    @cached_property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of every file that is there now."""
        return hash_files(self.path, files_of(self.path), self.threads)

    @cached_property
    def _records(self) -> tuple[list[JobRecord], list[str]]:
        return read_jobs(self.path)

    @property
    def jobs(self) -> list[JobRecord]:
        """The records of the jobs, by the time they ended."""
        return self._records[0]

    @property
    def broken_records(self) -> list[str]:
        """Files among the records that are none."""
        return self._records[1]

    @cached_property
    def same_code(self) -> bool:
        """Whether the code that audits is the code of every job; another version may label and lay out otherwise."""
        return {job.content["code"].get("source_sha256") for job in self.jobs} <= {source_sha256()}

    @cached_property
    def resolved(self) -> dict[str, Any]:
        """The resolved configuration as stored."""
        content = self.json(CONFIG)
        if not isinstance(content, dict):
            raise InputError(f"{CONFIG} is no JSON object; the folder has no readable configuration")
        return content

    @cached_property
    def config(self) -> Config:
        """The configuration, checked."""
        return check_config(self.resolved, CONFIG)

    @cached_property
    def of(self) -> Run:
        """The run whose results these are, where they are now."""
        return Run(self.config, self.path)

    @cached_property
    def foreign(self) -> frozenset[str]:
        """Entries of the configuration that are programs of somebody else: an audit runs none and opens none."""
        return frozenset(name for name in self.config.methods if self.of.method(name) == "command")

    @cached_property
    def absent(self) -> dict[str, str]:
        """Entries whose method is of a package that is not installed here, by its jobs' records: the package."""
        found = {}
        for job in self.jobs:
            for name, told in told_methods(job.content.get("told")).items():
                origin = told.get("origin") if isinstance(told, dict) else None
                if name not in self.config.methods or not isinstance(origin, dict) or "distribution" not in origin:
                    continue
                if self.of.method(name) not in METHODS:
                    found[name] = f"{origin['distribution']} {origin.get('version', '')}"
        return found

    @cached_property
    def foreign_sets(self) -> frozenset[str]:
        """Sets whose background is removed by a program of somebody else's."""
        sets = self.config.acquisitions.items()
        return frozenset(name for name, spec in sets if isinstance(spec.removal, ForeignRemoval))

    @property
    def layout(self) -> RunLayout:
        """Where everything lies."""
        return RunLayout(self.path)

    def name(self, path: Path) -> str:
        """A path as findings name it."""
        return self.layout.relative(path)

    def json(self, path: str | Path) -> Any:
        """Read a JSON file below the results.

        Raises:
            InputError: missing, not JSON, or too large to be any of ours.
        """
        file = self.path / path
        if not file.is_file():
            raise InputError(f"{path} is missing")
        if (size := file.stat().st_size) > MOST_JSON_BYTES:
            raise InputError(f"{path} has {size / 1e6:.0f} MB, too many for what it should be")
        with reading(path, "JSON"):
            return json.loads(file.read_text(encoding="utf-8"))

    def has(self, path: str | Path) -> bool:
        """Whether a file or folder is there."""
        return (self.path / path).exists()


def told_methods(told: Any) -> dict[str, Any]:
    """What a job was told of methods; nothing where a stranger's record has something else there."""
    methods = told.get("methods") if isinstance(told, dict) else None
    return methods if isinstance(methods, dict) else {}
