"""`algorithm.yml`: what a foreign method says of itself (QSM-CI's contract; https://github.com/QSMxT/QSM-CI).

A folder holds `algorithm.yml` and a script. It sees its inputs as files in one folder, writes its output into another,
and fails by a non-zero status or a missing output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qsmbench.core.errors import InputError
from qsmbench.core.hashes import folder_hash
from qsmbench.core.yaml_text import read_mapping

MANIFEST = "algorithm.yml"

# Of each stage that can be run here: the volumes it reads and the one it writes. Phase, and magnitude beside it or the
# total field, have the echoes along their fourth axis.
STAGES: dict[str, tuple[tuple[str, ...], str]] = {
    "bfr": (("totalfield", "mask"), "localfield"),
    "dipole": (("localfield", "mask"), "chimap"),
    "bfr+dipole": (("totalfield", "mask"), "chimap"),
    "end-to-end": (("phase", "magnitude", "mask"), "chimap"),
}
# Those that make chi.
METHOD_STAGES = tuple(stage for stage, (_, made) in STAGES.items() if made == "chimap")


@dataclass(frozen=True)
class Manifest:
    """A foreign method's folder, read.

    Attributes:
        folder: where it lies.
        name: for people.
        slug: its short name.
        stage: of `STAGES`.
        image: of the container that docker or apptainer runs; empty where there is none.
        run: the command line in the folder, "bash run.sh".
        parameters: declared parameters with their defaults.
        wants_magnitude: whether it reads a magnitude.
        needs_magnitude: whether it cannot run without.
        doi: of its paper; empty where it names none.
    """

    folder: Path
    name: str
    slug: str
    stage: str
    image: str
    run: str
    parameters: Mapping[str, Any]
    wants_magnitude: bool = False
    needs_magnitude: bool = False
    doi: str = ""

    @property
    def sha256(self) -> str:
        """Hash of every file in the folder, names included."""
        return folder_hash(self.folder)


def read_manifest(folder: Path) -> Manifest:
    """Read a folder's `algorithm.yml`.

    Raises:
        InputError: no such folder or file, no YAML, a key that is missing, a stage that cannot be run here.
    """
    path = folder / MANIFEST
    found = read_mapping(path, "manifest")
    for key in ("name", "slug", "stage", "run"):
        if not isinstance(found.get(key), str) or not found[key].strip():
            raise InputError(f"{path}: '{key}' is missing or no text")
    if found["stage"] not in STAGES:
        raise InputError(
            f"{path}: stage '{found['stage']}' cannot be run here; known: {', '.join(STAGES)}; see docs/foreign.md"
        )
    required, optional = (_names(found.get(key), path, key) for key in ("inputs", "optional_inputs"))
    return Manifest(
        folder=folder,
        name=found["name"],
        slug=found["slug"],
        stage=found["stage"],
        image=str(found.get("image") or ""),
        run=found["run"],
        parameters=_parameters(found.get("parameters"), path),
        wants_magnitude="magnitude" in (*required, *optional) or found["stage"] == "bfr+dipole",
        needs_magnitude="magnitude" in required and "magnitude" not in optional,
        doi=str(found.get("doi") or ""),
    )


def _names(value: Any, path: Path, key: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise InputError(f"{path}: '{key}' is not a list of names")
    return tuple(value)


def _parameters(value: Any, path: Path) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, list) or not all(isinstance(p, dict) and isinstance(p.get("name"), str) for p in value):
        raise InputError(f"{path}: 'parameters' is not a list of entries with a name")
    return {p["name"]: p.get("default") for p in value}
