"""A method that is somebody else's folder: any language, run as a command or in a container (`qsmbench.foreign`).

One of the stage dipole is given what our methods are given, the mask's box in the world's order. One that begins at the
total field or at the echoes is given the whole volumes, in the world's order too, and the mask before any erosion.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.core.orientation import Orientation
from qsmbench.core.scan import Scan
from qsmbench.foreign.images import image_facts, image_note
from qsmbench.foreign.manifest import METHOD_STAGES, STAGES, Manifest, read_manifest
from qsmbench.foreign.run import RUNNERS, ForeignError, Limits
from qsmbench.foreign.volumes import run_on_volumes
from qsmbench.methods.contract import Method, Reconstruction, ReconstructionError, parameter


@dataclass(frozen=True)
class Command(Method):
    """A folder with `algorithm.yml` of a stage that makes chi, by QSM-CI's contract."""

    folder: str | None = parameter(None, "the folder that holds algorithm.yml")
    runner: str = parameter("local", "local: a plain command, not isolated; or a container", choices=RUNNERS)
    parameters: str | Mapping[str, Any] = parameter("{}", "parameters that algorithm.yml declares, as JSON")
    seconds: float = parameter(7200.0, "wall time of one scan after which it is ended (QSM-CI: two hours)", above=0)
    memory_mb: int = parameter(16000, "memory that it may take", at_least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.folder is None:
            raise InputError("option folder is missing: the folder that holds the method's algorithm.yml")
        stage = self.manifest.stage
        if stage not in METHOD_STAGES:
            raise InputError(
                f"{self.folder}: its stage is {stage}; a method makes chi ({', '.join(METHOD_STAGES)}), and background "
                "removal (bfr) belongs under preparation.background"
            )
        _overrides(self.parameters)

    @cached_property
    def manifest(self) -> Manifest:
        """What the folder says of itself."""
        assert self.folder is not None
        return read_manifest(Path(self.folder))

    @cached_property
    def ran_in(self) -> Mapping[str, str]:
        """The image; asked for after the first run, which fetches it."""
        return image_facts(self.manifest, self.runner)

    @property
    def begins_earlier(self) -> bool:
        """Unless its stage is dipole."""
        return self.manifest.stage != "dipole"

    def reconstruct(self, scan: Scan) -> Reconstruction:
        """Reconstruct from the local field, or from what it was made of.

        Raises:
            InputError: the scan lacks something that the folder needs.
            ReconstructionError: the folder failed, or its map was refused.
        """
        if not self.begins_earlier:
            return super().reconstruct(scan)
        earlier = scan.earlier
        given = {}
        if earlier is not None:
            given = {"totalfield": earlier.total_field, "phase": earlier.phase, "mask": earlier.mask}
            given["magnitude"] = earlier.magnitude
        volumes = {name: volume for name, volume in given.items() if volume is not None}
        needed = STAGES[self.manifest.stage][0]
        if earlier is None or not set(needed) <= set(volumes):
            there = "local" if earlier is None else "total"
            raise InputError(
                f"{self.manifest.slug} needs {' and '.join(needed[:-1])}, and of this scan there is the {there} field "
                "alone"
            )
        orientation = Orientation.of(scan.grid)
        # Here echoes come first, in files last.
        ordered = {
            name: np.moveaxis(volume, 0, -1) if volume.ndim == 4 else volume
            for name, volume in ((name, orientation.apply(volume)) for name, volume in volumes.items())
        }
        found = self._run(ordered, orientation.grid(scan.grid), scan)
        chi = torch.from_numpy(orientation.undo(found)).to(scan.device)
        return Reconstruction(chi, notes=self._notes(scan))

    def invert(self, scan: Scan) -> Reconstruction:
        """Write the scan as files, run the folder, read its map."""
        volumes = {"localfield": scan.local_field, "mask": scan.mask}
        volumes |= {} if scan.magnitude is None else {"magnitude": scan.magnitude}
        chi = self._run({name: volume.cpu().numpy() for name, volume in volumes.items()}, scan.grid, scan)
        return Reconstruction(torch.from_numpy(chi).to(scan.device), notes=self._notes(scan))

    def _run(self, volumes: Mapping[str, NDArray[Any]], grid: Grid, scan: Scan) -> NDArray[np.float32]:
        try:
            return run_on_volumes(
                self.manifest,
                volumes,
                grid,
                b0=scan.b0,
                echo_times=scan.echo_times,
                runner=self.runner,
                overrides=_overrides(self.parameters),
                limits=Limits(self.seconds, self.memory_mb),
            )
        except ForeignError as error:
            raise ReconstructionError(str(error)) from error

    def _notes(self, scan: Scan) -> tuple[str, ...]:
        manifest = self.manifest
        notes = [f"{manifest.name} by the folder {manifest.slug}, SHA-256 {manifest.sha256[:16]}, runner {self.runner}"]
        if self.runner == "local":
            notes.append("It ran as a local command, not isolated from this machine or its network.")
        else:
            notes.append(image_note(dict(self.ran_in)))
        if scan.b0 is None:
            notes.append("The field strength is not known and was not passed on.")
        if self.begins_earlier:
            notes.append(f"It began before the local field (stage {manifest.stage}).")
        return tuple(notes)


def _overrides(given: str | Mapping[str, Any]) -> dict[str, Any]:
    try:
        found = json.loads(given) if isinstance(given, str) else dict(given)
    except json.JSONDecodeError as error:
        raise InputError(f"option parameters is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise InputError("option parameters must be a JSON object of names and values")
    return found
