"""Simulated acquisitions as a BIDS dataset, a subject a job, with the truth among its derivatives.

    <dataset>/                                  raw BIDS, see `data.bids_write`
    <dataset>/derivatives/ground-truth/sub-<label>/anat/
        sub-<label>_Chimap.nii.gz               true chi of the brain, ppm against water
        sub-<label>_desc-local_fieldmap.nii.gz  field of that chi, ppm
        sub-<label>_desc-total_fieldmap.nii.gz  field of the whole head after the shim, ppm
        sub-<label>_desc-brain_mask.nii.gz

Only `evaluate` opens the ground truth.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qsmbench.config.model import ChallengeSource, NiftiSource, PhantomSource, SimulatedSet
from qsmbench.core.grid import Grid
from qsmbench.core.scan import Reference
from qsmbench.core.seeds import generator_for, seed_for
from qsmbench.data.bids_write import (
    TRUTH,
    chimap_path,
    write_description,
    write_map,
    write_megre,
    write_participants,
)
from qsmbench.data.challenge2016 import challenge2016
from qsmbench.data.nifti import read_mask, read_volume
from qsmbench.provenance.version import code_version
from qsmbench.simulation.acquisition.cases import CASES
from qsmbench.simulation.acquisition.head import Head, map_head, phantom_head
from qsmbench.simulation.acquisition.protocol import PROTOCOLS, Protocol
from qsmbench.simulation.acquisition.scan import simulate
from qsmbench.simulation.source import Source

FIELDS = ("local", "total")

_README = """Simulated gradient-echo acquisitions of numerical heads, made by qsmbench; no person was scanned.

Protocol: {protocol}. Phase is 2 pi gamma B0 TE times the field, paramagnetic positive. The true susceptibility, fields
and masks are under derivatives/ground-truth; leave them alone where you want to be surprised.
"""


@dataclass(frozen=True, eq=False)
class Truth:
    """The truth of one simulated subject: reference chi with its mask, and fields in ppm."""

    reference: Reference
    local_field: np.ndarray
    total_field: np.ndarray


def write_dataset(spec: SimulatedSet, name: str, folder: Path) -> None:
    """Write what describes the dataset and its ground truth as a whole."""
    version = code_version()
    write_description(folder, f"qsmbench simulated acquisitions: {name}", version, derivative=False, step="acquire")
    rows: dict[str, str] = {label: CASES[label].description for label in spec.subjects}
    write_participants(folder, rows, _README.format(protocol=protocol_of(spec).name))
    write_description(
        folder / TRUTH, f"Ground truth of {name}", version, derivative=True, sources=["../.."], step="acquire"
    )


def protocol_of(spec: SimulatedSet) -> Protocol:
    """The protocol at the set's scale and signal-to-noise ratio."""
    protocol = PROTOCOLS[spec.protocol].scaled(spec.scale)
    return protocol if spec.snr is None else protocol.model_copy(update={"snr": spec.snr})


def acquire_subject(spec: SimulatedSet, name: str, subject: str, seed: int, folder: Path) -> None:
    """Simulate one subject and write its echoes and its truth.

    Args:
        spec: of the set.
        name: of the set; part of the seed.
        subject: a case.
        seed: of the run.
        folder: of the dataset.
    """
    protocol, case = protocol_of(spec), CASES[subject]
    head = _head(spec, protocol, subject, seed)
    # Not the set's scale: a coarser scan of the same subject meets the same shim and coil.
    rng = generator_for(seed, f"acquisition/{name}", subject)
    scan = simulate(head, protocol, case, rng, fineness=spec.fineness)
    for stale in (folder / f"sub-{subject}", folder / TRUTH / f"sub-{subject}"):
        shutil.rmtree(stale, ignore_errors=True)
    metadata = {
        "EchoTime": list(protocol.echo_times),
        "FlipAngle": protocol.flip_angle,
        "MRAcquisitionType": "3D",
        "MagneticFieldStrength": protocol.b0,
        "Manufacturer": "simulated",
        "ManufacturersModelName": "qsmbench",
        "PulseSequenceType": "spoiled gradient echo",
        "RepetitionTimeExcitation": protocol.repetition_time,
    }
    write_megre(folder, subject, scan.echoes, scan.grid, metadata)
    anat = folder / TRUTH / f"sub-{subject}/anat"
    maps = {
        "Chimap": (scan.chi, "true susceptibility of the brain against water"),
        "desc-local_fieldmap": (scan.local_field, "field of the brain's susceptibility, relative to B0"),
        "desc-total_fieldmap": (scan.total_field, "field of the whole head after the shim, relative to B0"),
    }
    for ending, (data, text) in maps.items():
        path = anat / f"sub-{subject}_{ending}.nii.gz"
        write_map(path, data, scan.grid, {"Description": text, "Units": "ppm"})
    about = {
        "Description": "the brain",
        "Type": "Brain",
        "NoiseStandardDeviation": scan.noise_sd,
        "SignalToNoise": protocol.snr,
        "Seed": seed_for(seed, f"acquisition/{name}", subject),
        "B0_dir": list(scan.grid.b0_dir),
    }
    write_map(anat / f"sub-{subject}_desc-brain_mask.nii.gz", scan.mask, scan.grid, about)


def read_truth(folder: Path, subject: str) -> Truth:
    """Read the truth of one subject of a dataset written here."""
    anat = folder / TRUTH / f"sub-{subject}/anat"
    chi = read_volume(chimap_path(folder / TRUTH, subject))
    mask = read_mask(anat / f"sub-{subject}_desc-brain_mask.nii.gz", like=chi)
    local, total = (read_volume(anat / f"sub-{subject}_desc-{f}_fieldmap.nii.gz", like=chi).data for f in FIELDS)
    about = json.loads((anat / f"sub-{subject}_desc-brain_mask.json").read_text(encoding="utf-8"))
    grid = Grid.from_affine(chi.data.shape, chi.affine, about["B0_dir"])
    return Truth(Reference(chi.data, mask, grid), local, total)


def _head(spec: SimulatedSet, protocol: Protocol, subject: str, seed: int) -> Head:
    source = spec.source
    if isinstance(source, PhantomSource):
        # The subject alone, not the set: research and clinical scans may show the same person.
        anatomy_seed = seed_for(seed, "acquisition/anatomy", source.seed, subject)
        return phantom_head(protocol, CASES[subject].iron, anatomy_seed)
    return map_head(_map(source), protocol)


def _map(source: ChallengeSource | NiftiSource) -> Source:
    mask_path: Path | None
    axes: str | None
    if isinstance(source, ChallengeSource):
        files = challenge2016(source.cache, archive=source.archive)
        # Its headers are diagonal and say nothing; its maps lie as DICOM's do.
        chi_path, mask_path, axes = files.chi_cosmos, files.mask, "LPS"
    else:
        # A source that says where its axes run knows better than its file.
        chi_path, mask_path, axes = source.chi, source.mask, source.axes
    chi = read_volume(chi_path)
    mask = chi.data != 0 if mask_path is None else read_mask(mask_path, like=chi)
    affine = chi.affine if axes is None else _affine_of(axes, chi.voxel_size)
    return Source(np.where(mask, chi.data, np.float32(0)), mask, Grid.from_affine(chi.data.shape, affine))


def _affine_of(axes: str, voxel_size: tuple[float, float, float]) -> NDArray[np.float64]:
    """The affine of voxel axes that run to the named sides of the patient.

    >>> _affine_of("LPS", (1.0, 1.0, 2.0)).diagonal().tolist()
    [-1.0, -1.0, 2.0, 1.0]
    """
    affine = np.diag([0.0, 0.0, 0.0, 1.0])
    for axis, (side, size) in enumerate(zip(axes, voxel_size, strict=True)):
        world = next(i for i, pair in enumerate(("LR", "PA", "IS")) if side in pair)
        affine[world, axis] = size if side in "RAS" else -size
    return affine
