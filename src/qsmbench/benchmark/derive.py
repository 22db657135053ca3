"""Fields of sets that are made of other sets' scans (`sets.derived`), a subject a job, as a BIDS derivative."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from qsmbench.core.orientation import Orientation
from qsmbench.core.scan import Scan
from qsmbench.core.seeds import generator_for, seed_for
from qsmbench.data.bids_write import sidecar, write_description, write_map
from qsmbench.data.nifti import read_mask, read_volume
from qsmbench.data.prepared import OUTPUTS, PreparedScan
from qsmbench.data.scan_nifti import read_scan_and_notes
from qsmbench.data.sidecars import read_json
from qsmbench.preparation.background.contract import Local, RemovalError, Total
from qsmbench.preparation.background.remove import check_spheres, remove
from qsmbench.preparation.settings import Background
from qsmbench.provenance.version import code_version
from qsmbench.sets.derived import DerivedScans, IsolatedSet, RemovalSet
from qsmbench.sets.simulated import SimulatedScans
from qsmbench.simulation.error_model import add_errors

Volumes = dict[str, np.ndarray]
# What the sidecar of a prepared field says of the scan, and what is made of it says too.
_OF_THE_SCAN = ("B0_dir", "MagneticFieldStrength", "EchoTimes")


def derive_subject(scans: DerivedScans, subject: str, seed: int, folder: Path) -> None:
    """Make the fields of one subject and write them.

    Args:
        scans: the set; its base has the subject's prepared fields, and where it asks for it the truth.
        subject: a member.
        seed: of the run.
        folder: of the derivative.
    """
    for item in scans.base.prepared.values():
        if item.subject != subject:
            continue
        made, said = _made(scans, item, seed)
        _write(scans, item, folder, made, said)
    title = f"{scans.name}: local fields made of {scans.spec.of}"
    write_description(folder, title, code_version(), derivative=True, step="derive-fields")


def _made(scans: DerivedScans, item: PreparedScan, seed: int) -> tuple[Volumes, Mapping[str, Any]]:
    match scans.spec:
        case IsolatedSet() as spec:
            return isolated(scans.base, item, spec, seed, scans.name)
        case RemovalSet() as spec:
            return removed(item, spec.background)
    raise LookupError(f"{scans.name}: nothing is known of {type(scans.spec).__name__}")


def isolated(
    base: SimulatedScans, item: PreparedScan, spec: IsolatedSet, seed: int, name: str
) -> tuple[Volumes, dict[str, Any]]:
    """The true local field in the brain, as far as the echoes tell any field, with the noise of the measurement.

    Returns:
        Local field and noise (ppm, float32), mask, magnitude, all (x, y, z); and what was done, for the sidecar.
    """
    truth, grid = base.truth(item.name), _whole(item).grid
    mask = truth.reference.mask & read_mask(item.path("mask"))
    field = np.where(mask, truth.local_field, 0).astype(np.float32)
    magnitude = read_volume(item.path("magnitude")).data
    variance = np.zeros(grid.shape, np.float32)
    if spec.noise:
        noise = np.where(mask, read_volume(item.path("field_noise"), finite=False).data, 0).astype(np.float32)
        field += noise * generator_for(seed, f"isolated/{name}", item.name).standard_normal(grid.shape, np.float32)
        variance += noise**2
    chi = np.where(mask, truth.reference.chi, 0).astype(np.float32)
    made = add_errors(
        field,
        chi,
        mask,
        grid,
        recipe=spec.error,
        seed=seed_for(seed, f"isolated/{name}/error", item.name),
        magnitude=magnitude,
    )
    if made.field_noise is not None:
        variance += made.field_noise**2
    volumes: Volumes = {"local_mask": made.mask, "local_field": made.local_field * made.mask, "magnitude": magnitude}
    if variance.any():
        volumes["field_noise"] = np.sqrt(variance) * made.mask
    return volumes, {"Errors": {"noise": spec.noise, **made.parameters}}


def _whole(item: PreparedScan) -> Scan:
    """A prepared scan's total field in the whole mask, which is there even where its own removal failed."""
    about = read_json(sidecar(item.path("total_field")))
    return read_scan_and_notes(
        item.path("total_field"),
        item.path("mask"),
        b0_dir=about.get("B0_dir"),
        b0=about.get("MagneticFieldStrength"),
        echo_times=about.get("EchoTimes", ()),
        total=True,
    )[0]


def removed(item: PreparedScan, settings: Background) -> tuple[Volumes, dict[str, Any]]:
    """The prepared total field with another background removal, in the world's order of voxels as in the preparation.

    Returns:
        As :func:`isolated`; an empty field, and why, where somebody else's removal failed.
    """
    scan = _whole(item)
    check_spheres(settings, scan.grid, item.name)
    order = Orientation.of(scan.grid)
    magnitude, noise = (read_volume(item.path(n), finite=False).data for n in ("magnitude", "field_noise"))
    total = Total(
        torch.from_numpy(order.apply(read_volume(item.path("total_field"), finite=False).data)),
        torch.from_numpy(order.apply(read_mask(item.path("mask")))),
        order.grid(scan.grid),
        noise=torch.from_numpy(order.apply(noise)),
        magnitude=torch.from_numpy(order.apply(magnitude)),
        b0=scan.b0,
        echo_times=scan.echo_times,
    )
    try:
        local = remove(total, settings)
    except RemovalError as error:
        local = Local(torch.zeros_like(total.field), torch.zeros_like(total.mask), {"Failure": str(error)})
    volumes = {
        "local_mask": order.undo(local.mask.numpy()),
        "local_field": order.undo(local.field.numpy()),
        "field_noise": noise,
        "magnitude": magnitude,
    }
    return volumes, {"BackgroundRemoval": {**settings.model_dump(), **local.report}}


def _write(
    scans: DerivedScans, item: PreparedScan, folder: Path, volumes: Mapping[str, np.ndarray], said: Mapping[str, Any]
) -> None:
    """Write the volumes; the local field, which others wait for, last."""
    about = read_json(sidecar(item.path("local_field")))
    of_the_scan = {key: about[key] for key in _OF_THE_SCAN if key in about}
    there = PreparedScan(folder, item.prefix)
    grid = _whole(item).grid
    for name in sorted(volumes, key=lambda n: n == "local_field"):
        _, unit, text = OUTPUTS[name]
        data = volumes[name].astype(np.uint8) if name == "local_mask" else volumes[name].astype(np.float32)
        extra = {**said, "Warnings": about.get("Warnings", [])} if name == "local_field" else {}
        source = [f"bids:{scans.spec.of}:{item.prefix}"]
        write_map(
            there.path(name), data, grid, {"Description": text, "Units": unit, **of_the_scan, "Sources": source} | extra
        )
