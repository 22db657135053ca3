"""Writing what the preparation makes, with sidecars: BIDS (`data.prepared`), or plain names in one folder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from qsmbench.data.atomic import write_json_atomic, write_text_atomic
from qsmbench.data.frames import Frames
from qsmbench.data.nifti import write_volume
from qsmbench.data.prepared import OUTPUTS
from qsmbench.data.sidecars import sidecar_path
from qsmbench.preparation.pipeline import Prepared
from qsmbench.preparation.settings import PreparationSettings
from qsmbench.provenance.version import code_version

BIDS_VERSION = "1.11.1"


def output_path(out_dir: Path, entities: Mapping[str, str], name: str) -> Path:
    """Return where the result ``name`` of an acquisition lies.

    >>> output_path(Path("out"), {"sub": "01", "ses": "2"}, "local_field").as_posix()
    'out/sub-01/ses-2/anat/sub-01_ses-2_desc-local_fieldmap.nii.gz'
    """
    folder = out_dir / f"sub-{entities['sub']}"
    if "ses" in entities:
        folder /= f"ses-{entities['ses']}"
    stem = "_".join(f"{key}-{value}" for key, value in entities.items())
    return folder / "anat" / f"{stem}_{OUTPUTS[name][0]}.nii.gz"


def loose_path(out_dir: Path, name: str) -> Path:
    """Return where the result ``name`` of loose files lies."""
    return out_dir / f"{name}.nii.gz"


def write_outputs(
    paths: Mapping[str, Path],
    prepared: Prepared,
    settings: PreparationSettings,
    source: Mapping[str, object],
    frames: Frames | None = None,
) -> None:
    """Write every volume with its sidecar, each whole or not at all; the local field, which others wait for, last.

    Args:
        paths: NIfTI by the name of the volume.
        prepared: the volumes.
        settings: what they were made with.
        source: what the sidecars say of the acquisition (EchoTime, B0_dir, Sources, ...).
        frames: matrices and codes of the scan's header, kept.

    Raises:
        ValueError: a number for a sidecar that is none, before anything is written.
    """
    sidecars: dict[str, dict[str, object]] = {}
    for name in sorted(paths, key=lambda n: n == "local_field"):
        _, unit, what = OUTPUTS[name]
        sidecar: dict[str, object] = {"Description": what, **source}
        if unit:
            sidecar["Units"] = unit
            sidecar["SkullStripped"] = name not in ("magnitude", "swi", "minip")
        else:
            sidecar["Type"] = "Brain"
        sidecar |= _settings_of(name, prepared, settings)
        sidecar["Warnings"] = list(prepared.warnings)
        json.dumps(sidecar, allow_nan=False)
        sidecars[name] = sidecar
    for name, sidecar in sidecars.items():
        _, unit, what = OUTPUTS[name]
        path, text = paths[name], f"{what}{f', {unit}' if unit else ''}"
        write_volume(path, prepared.volumes[name], prepared.grid.matrix, text, frames)
        write_json_atomic(sidecar_path(path), sidecar)


def _settings_of(name: str, prepared: Prepared, settings: PreparationSettings) -> dict[str, object]:
    if name in ("local_field", "local_mask"):
        return {
            "BackgroundRemoval": {**settings.background.model_dump(), **_mapping(prepared.report["Background"])}
        } | {"SusceptibilitySkewness": prepared.report["ChiSkewness"]}
    if name in ("total_field", "field_noise", "offset"):
        return {
            "FieldFit": {**settings.fit.model_dump(), **_mapping(prepared.report["Bipolar"])},
            "SignalNoise": prepared.report["SignalNoise"],
        }
    if name == "mask":
        return {"MaskSource": prepared.report["MaskSource"], "MaskSettings": settings.mask.model_dump()}
    if name in ("swi", "minip") and settings.swi is not None:
        return {"SusceptibilityWeighting": settings.swi.model_dump(), "EchoTime": prepared.report["SwiEchoTime"]}
    return {}


def _mapping(value: object) -> Mapping[str, object]:
    assert isinstance(value, Mapping)
    return value


def write_description(out_dir: Path, bids_dir: Path) -> None:
    """Write the derivatives' dataset_description.json; same source, same bytes."""
    description = {
        "Name": "Local fields prepared for QSM",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [
            {"Name": "qsmbench", "Version": code_version(), "Description": "qsmbench prepare: phase to local field"}
        ],
        "SourceDatasets": [{"URL": source_url(out_dir, bids_dir)}],
        "DatasetLinks": {"raw": source_url(out_dir, bids_dir)},
    }
    write_json_atomic(out_dir / "dataset_description.json", description)
    write_text_atomic(out_dir / ".bidsignore", "*_fieldmap.*\n*_swi.*\n*_minIP.*\n")


def source_url(out_dir: Path, bids_dir: Path) -> str:
    """Return the way from the derivatives to their source: the same wherever the two lie together."""
    return Path(os.path.relpath(bids_dir.resolve(), out_dir.resolve())).as_posix()
