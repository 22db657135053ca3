"""Writing BIDS: a raw dataset of multi-echo gradient echoes, and derivatives beside or inside it.

    dataset_description.json  README  participants.tsv  participants.json
    sub-<label>/anat/sub-<label>_echo-<n>_part-<mag|phase>_MEGRE.nii.gz and .json

Names, entities and metadata: BIDS 1.11 (https://bids-specification.readthedocs.io; Gorgolewski 2016, doi
10.1038/sdata.2016.44; MEGRE and Chimap: the qMRI extension, Karakuzu 2022, doi 10.1038/s41597-022-01571-4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.data.atomic import write_json_atomic, write_text_atomic
from qsmbench.data.nifti import write_volume

BIDS_VERSION = "1.11.1"
# Scanners store magnitude as integers; this is the largest of them.
MAGNITUDE_TOP = 32000


def write_description(
    folder: Path, name: str, version: str, *, derivative: bool, sources: Sequence[str] = (), step: str = ""
) -> None:
    """Write `dataset_description.json`.

    Args:
        folder: of the dataset.
        name: of the dataset.
        version: of the code that makes it.
        derivative: derivatives say what generated them and from what.
        sources: addresses of the datasets that a derivative was made from.
        step: of the pipeline that made it.
    """
    content: dict[str, Any] = {
        "Name": name,
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative" if derivative else "raw",
        "License": "CC0",
        "Authors": ["The qsmbench developers"],
        "GeneratedBy": [{"Name": f"qsmbench {step}".strip(), "Version": version}],
    }
    if sources:
        content["SourceDatasets"] = [{"URL": source} for source in sources]
    write_json_atomic(folder / "dataset_description.json", content)
    if derivative:
        write_text_atomic(folder / "README", f"{name}\n\nA BIDS derivative made by qsmbench; fields and maps in ppm.\n")
        # BIDS knows field maps in Hz for distortion correction alone, beside magnitudes; ours are results, in ppm.
        write_text_atomic(folder / ".bidsignore", "*_fieldmap.*\n")


def write_participants(folder: Path, rows: Mapping[str, str], readme: str) -> None:
    """Write `participants.tsv` with its dictionary, and the README.

    Args:
        folder: of the dataset.
        rows: subject label (without ``sub-``) to what the subject is.
        readme: text.
    """
    lines = ["participant_id\tdescription", *(f"sub-{label}\t{text}" for label, text in rows.items())]
    write_text_atomic(folder / "participants.tsv", "\n".join(lines) + "\n")
    write_json_atomic(
        folder / "participants.json", {"description": {"Description": "what is particular about this head"}}
    )
    write_text_atomic(folder / "README", readme.rstrip() + "\n")


def write_megre(
    folder: Path, subject: str, echoes: Sequence[NDArray[np.complex64]], grid: Grid, metadata: Mapping[str, Any]
) -> list[Path]:
    """Write the echoes of one subject as magnitude and phase with their sidecars; return the volumes' paths.

    Magnitude is stored as int16 on one scale for all echoes, phase as float32 in rad (paramagnetic positive).

    Args:
        folder: of the dataset.
        subject: label without ``sub-``.
        echoes: complex images (x, y, z).
        grid: their geometry.
        metadata: sidecar entries of all files; ``EchoTime`` holds a list of s, one an echo.

    Raises:
        InputError: another number of echo times than of echoes.
    """
    times = list(metadata["EchoTime"])
    if len(times) != len(echoes):
        raise InputError(f"sub-{subject}: {len(echoes)} echoes, but {len(times)} echo times")
    common = {key: value for key, value in metadata.items() if key != "EchoTime"}
    scale = MAGNITUDE_TOP / max(float(np.abs(echo).max()) for echo in echoes)
    written = []
    for number, (echo, time) in enumerate(zip(echoes, times, strict=True), start=1):
        grid.check_shape(f"sub-{subject}: echo {number}", echo.shape)
        parts: dict[str, tuple[NDArray[Any], str]] = {
            "mag": (np.rint(np.abs(echo) * scale).astype(np.int16), "arbitrary"),
            "phase": (np.angle(echo).astype(np.float32), "rad"),
        }
        for part, (data, units) in parts.items():
            path = folder / f"sub-{subject}/anat/sub-{subject}_echo-{number}_part-{part}_MEGRE.nii.gz"
            write_volume(path, data, grid.matrix, f"{part}, echo {number}")
            write_json_atomic(sidecar(path), {**common, "EchoTime": time, "Units": units})
            written.append(path)
    return written


def write_map(path: Path, data: NDArray[Any], grid: Grid, metadata: Mapping[str, Any]) -> None:
    """Write one derived volume and its sidecar; BIDS asks of every derivative whether the skull is gone."""
    write_volume(path, data, grid.matrix, str(metadata.get("Description", ""))[:79])
    write_json_atomic(sidecar(path), {"SkullStripped": True, **metadata})


def sidecar(path: Path) -> Path:
    """The JSON file of a volume.

    >>> sidecar(Path("sub-01_Chimap.nii.gz")).name
    'sub-01_Chimap.json'
    """
    return path.with_name(path.name.removesuffix(".gz").removesuffix(".nii") + ".json")


def chimap_path(folder: Path, subject: str) -> Path:
    """Where a derivative keeps one subject's susceptibility map."""
    return folder / f"sub-{subject}/anat/sub-{subject}_Chimap.nii.gz"
