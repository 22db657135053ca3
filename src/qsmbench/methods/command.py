"""A method that is somebody else's folder: any language, run as a command or in a container (`qsmbench.foreign`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from qsmbench.core.errors import InputError
from qsmbench.core.scan import Scan
from qsmbench.foreign.manifest import read_manifest
from qsmbench.foreign.run import RUNNERS, ForeignError, Limits
from qsmbench.foreign.volumes import run_on_volumes
from qsmbench.methods.contract import Method, Reconstruction, ReconstructionError, parameter


@dataclass(frozen=True)
class Command(Method):
    """A folder with `algorithm.yml` of the stage "dipole", by QSM-CI's contract."""

    folder: str | None = parameter(None, "the folder that holds algorithm.yml")
    runner: str = parameter("local", "local: a plain command, not isolated; or a container", choices=RUNNERS)
    parameters: str | Mapping[str, Any] = parameter("{}", "parameters that algorithm.yml declares, as JSON")
    seconds: float = parameter(7200.0, "wall time of one scan after which it is ended (QSM-CI: two hours)", above=0)
    memory_mb: int = parameter(16000, "memory that it may take", at_least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.folder is None:
            raise InputError("option folder is missing: the folder that holds the method's algorithm.yml")
        manifest = read_manifest(Path(self.folder))
        if manifest.stage != "dipole":
            raise InputError(f"{self.folder}: its stage is {manifest.stage}; a method that makes chi has stage dipole")
        _overrides(self.parameters)

    def invert(self, scan: Scan) -> Reconstruction:
        """Write the scan as files, run the folder, read its map."""
        assert self.folder is not None
        manifest = read_manifest(Path(self.folder))
        volumes = {"localfield": scan.local_field, "mask": scan.mask}
        volumes |= {} if scan.magnitude is None else {"magnitude": scan.magnitude}
        try:
            chi = run_on_volumes(
                manifest,
                {name: volume.cpu().numpy() for name, volume in volumes.items()},
                scan.grid,
                b0=scan.b0,
                echo_times=scan.echo_times,
                runner=self.runner,
                overrides=_overrides(self.parameters),
                limits=Limits(self.seconds, self.memory_mb),
            )
        except ForeignError as error:
            raise ReconstructionError(str(error)) from error
        notes = [f"{manifest.name} by the folder {manifest.slug}, SHA-256 {manifest.sha256[:16]}, runner {self.runner}"]
        if self.runner == "local":
            notes.append("It ran as a local command, not isolated from this machine or its network.")
        if scan.b0 is None:
            notes.append("The field strength is not known and was not passed on.")
        return Reconstruction(torch.from_numpy(chi).to(scan.device), notes=tuple(notes))


def _overrides(given: str | Mapping[str, Any]) -> dict[str, Any]:
    try:
        found = json.loads(given) if isinstance(given, str) else dict(given)
    except json.JSONDecodeError as error:
        raise InputError(f"option parameters is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise InputError("option parameters must be a JSON object of names and values")
    return found
