"""Scans as BIDS derivatives: prepared fields and masks, and a derivative of maps a method.

Scans of a set may differ in shape, which is why they are files and not one Zarr store.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qsmbench.core.damage import reading
from qsmbench.core.errors import InputError
from qsmbench.core.hashes import json_hash
from qsmbench.data.prepared import PreparedScan, prepared_scans
from qsmbench.preparation.settings import PreparationSettings
from qsmbench.sets.contract import MapsAbout, ScanSet

if TYPE_CHECKING:
    import numpy as np

    from qsmbench.core.scan import Earlier, Reference, Scan


def _there(path: Path) -> Path | None:
    return path if path.is_file() else None


class FieldScans(ScanSet):
    """Scans whose fields and masks lie in a derivative."""

    scored = False

    @cached_property
    def prepared(self) -> dict[str, PreparedScan]:
        """The prepared scans by name, in the order of the subjects."""
        return {scan.name: scan for scan in prepared_scans(self.folder, self.members)}

    @property
    def names(self) -> Sequence[str]:
        """Subject, and session and run where there are several."""
        return list(self.prepared)

    def scan(self, name: str) -> Scan:
        """Local field, mask, magnitude, noise, and what the sidecar tells."""
        from qsmbench.data.bids_write import sidecar
        from qsmbench.data.scan_nifti import read_scan
        from qsmbench.data.sidecars import read_json

        item = self.prepared[name]
        beside = sidecar(item.path("local_field"))
        about = read_json(beside)
        with reading(beside, "a prepared scan's sidecar", "prepare it again"):
            return read_scan(
                item.path("local_field"),
                item.path("local_mask"),
                magnitude=_there(item.path("magnitude")),
                field_noise=_there(item.path("field_noise")),
                b0_dir=about.get("B0_dir"),
                b0=about.get("MagneticFieldStrength"),
                echo_times=about.get("EchoTimes", ()),
            )

    def warnings(self, name: str) -> list[str]:
        """What the preparation found doubtful in the scan."""
        from qsmbench.data.sidecars import read_sidecar

        found = read_sidecar(self.prepared[name].path("local_field")).get("Warnings")
        return [str(line) for line in found] if isinstance(found, list) else []

    def failure(self, name: str) -> str | None:
        """What background removal by somebody else's folder failed with; there is no field then."""
        from qsmbench.data.sidecars import read_sidecar

        removal = read_sidecar(self.prepared[name].path("local_field")).get("BackgroundRemoval")
        reason = removal.get("Failure") if isinstance(removal, dict) else None
        return None if reason is None else f"background removal: {reason}"

    def reference(self, name: str) -> Reference:
        """There is none."""
        raise LookupError(f"{self.name} has no truth")

    def data_hash(self, name: str) -> str:
        """Of the files of field and mask."""
        from qsmbench.data.download import sha256_of

        item = self.prepared[name]
        return json_hash([sha256_of(item.path("local_field")), sha256_of(item.path("local_mask"))])

    def axis_codes(self, name: str) -> str | None:
        """Nearly, where the scan is oblique."""
        from nibabel.orientations import aff2axcodes

        from qsmbench.data.nifti import read_volume

        affine = read_volume(self.prepared[name].path("local_field"), finite=False).affine
        return "".join(aff2axcodes(affine))  # type: ignore[no-untyped-call]

    def companion(self, name: str) -> np.ndarray | None:
        """The SWI, where the preparation made one."""
        from qsmbench.data.nifti import read_volume

        path = self.prepared[name].path("swi")
        return read_volume(path, finite=False).data if path.is_file() else None

    def start_maps(self, folder: Path, about: MapsAbout) -> None:
        """Describe the derivative."""
        from qsmbench.data.bids_write import write_description
        from qsmbench.provenance.version import code_version

        title = f"{about.label} susceptibility maps"
        write_description(folder, title, code_version(), derivative=True, sources=[self.name], step=about.method)

    def write_map(self, folder: Path, name: str, chi: np.ndarray, about: MapsAbout, found: Mapping[str, Any]) -> None:
        """Write map and sidecar."""
        from qsmbench.data.bids_write import write_map

        item = self.prepared[name]
        field = item.path("local_field")
        text = {
            "Description": f"magnetic susceptibility, {about.label}",
            "Units": "ppm",
            "Method": about.method,
            "Parameters": dict(about.parameters),
            **{key.title(): value for key, value in found.items()},
            "Warnings": self.warnings(name),
            "Sources": [f"bids:{self.folder.parent.name}:{field.relative_to(item.folder).as_posix()}"],
        }
        write_map(item.chimap(folder), chi, self.scan(name).grid, text)

    def read_map(self, folder: Path, name: str) -> np.ndarray | None:
        """Read the map's file."""
        from qsmbench.data.nifti import read_volume

        path = self.prepared[name].chimap(folder)
        return read_volume(path, finite=False).data if path.is_file() else None

    def map_name(self, folder: Path, name: str) -> str:
        """The map's file."""
        return self.layout.relative(self.prepared[name].chimap(folder))


class PreparedScans(FieldScans):
    """Scans that the preparation made of echoes."""

    @property
    @abstractmethod
    def preparation(self) -> PreparationSettings:
        """How it made them."""

    @property
    def raw(self) -> Path:
        """BIDS dataset of the echoes."""
        return self.layout.raw(self.name)

    def echoes(self, subject: str) -> list[Path]:
        """What the preparation of a subject reads."""
        return [self.raw / f"sub-{subject}"]

    def earlier(self, name: str) -> Earlier:
        """The echoes as the preparation read them, and what it made on the way to the local field.

        Raises:
            InputError: the echoes are not where they were.
        """
        from qsmbench.core.scan import Earlier
        from qsmbench.data.nifti import read_mask, read_volume
        from qsmbench.preparation.bids import load
        from qsmbench.preparation.bids_files import find_acquisitions
        from qsmbench.preparation.outputs import output_path

        item = self.prepared[name]
        for found in find_acquisitions(self.raw, [item.subject]):
            if output_path(self.folder, found.entities, "local_field") == item.path("local_field"):
                echoes = load(found, self.preparation.phase).echoes
                total = read_volume(item.path("total_field")).data
                return Earlier(read_mask(item.path("mask")), total, echoes.phase, echoes.magnitude)
        raise InputError(f"{self.raw} does not hold the echoes of {name}")

    def fingerprint(self, subject: str) -> dict[str, str] | None:
        """What of the echoes' files a workflow cannot know of itself; None where it made them."""
        return None

    @property
    def folder(self) -> Path:
        """The derivative of fields and masks."""
        return self.layout.prepared(self.name)

    def inputs(self) -> list[Path]:
        """The prepared subjects."""
        return [self.layout.prepared_subject(self.name, subject) for subject in self.members]
