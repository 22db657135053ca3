"""Simulated acquisitions as a BIDS dataset, a subject a job, with the truth among its derivatives.

Raw BIDS is described in `data.bids_write`, the truth in `data.truth`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from qsmbench.core.seeds import generator_for, seed_for
from qsmbench.data.bids_write import write_description, write_map, write_megre, write_participants
from qsmbench.data.layout import TRUTH
from qsmbench.provenance.version import code_version
from qsmbench.sets.simulated import SimulatedSet
from qsmbench.simulation.acquisition.cases import CASES
from qsmbench.simulation.acquisition.scan import simulate

_README = """Simulated gradient-echo acquisitions of numerical heads, made by qsmbench; no person was scanned.

Protocol: {protocol}. Phase is 2 pi gamma B0 TE times the field, paramagnetic positive. The true susceptibility, fields
and masks are under derivatives/ground-truth; leave them alone where you want to be surprised.
"""


def write_dataset(spec: SimulatedSet, name: str, folder: Path) -> None:
    """Write what describes the dataset and its ground truth as a whole."""
    version = code_version()
    write_description(folder, f"qsmbench simulated acquisitions: {name}", version, derivative=False, step="acquire")
    rows: dict[str, str] = {label: CASES[label].description for label in spec.subjects}
    write_participants(folder, rows, _README.format(protocol=spec.protocol))
    write_description(
        folder / TRUTH, f"Ground truth of {name}", version, derivative=True, sources=["../.."], step="acquire"
    )


def acquire_subject(spec: SimulatedSet, name: str, subject: str, seed: int, folder: Path) -> None:
    """Simulate one subject and write its echoes and its truth.

    Args:
        spec: of the set.
        name: of the set; part of the seed.
        subject: a case.
        seed: of the run.
        folder: of the dataset.
    """
    protocol, case = spec.sequence, CASES[subject]
    head = spec.source.whole(protocol, case.iron, seed, subject)
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
