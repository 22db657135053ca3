"""Prepared scans, subject by subject: reconstruct each with one method, then score chi and fields against the truth.

A prepared set is a BIDS derivative; what a method makes of it is another, with `sub-<label>_Chimap.nii.gz` for each
scan. Scans of a set may differ in shape, which is why they are files and not one Zarr store.

Scores are taken where brain and prepared field are both known, the same voxels for every method; coverage says how much
of the brain that is, and what a method left out of it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from qsmbench.benchmark.acquisition import read_truth
from qsmbench.benchmark.attempts import Attempts
from qsmbench.benchmark.evaluation import COLUMNS, common_columns, config_hash, score_rows, write_scores
from qsmbench.core.errors import InputError
from qsmbench.core.scan import Reference, Scan
from qsmbench.data.atomic import write_json_atomic, write_text_atomic
from qsmbench.data.bids_write import sidecar, write_description, write_map
from qsmbench.data.download import sha256_of
from qsmbench.data.nifti import read_mask, read_volume
from qsmbench.data.prepared import PreparedScan, prepared_scans
from qsmbench.data.scan_nifti import read_scan
from qsmbench.methods.registry import build, find
from qsmbench.metrics.case import Case
from qsmbench.metrics.registry import Score, score, score_case
from qsmbench.provenance.version import code_version

FIELD_METRICS = ("nrmse_demeaned", "correlation", "coverage")


def scan_of(prepared: PreparedScan) -> Scan:
    """What a method may see of a prepared scan."""
    about = json.loads(sidecar(prepared.path("local_field")).read_text(encoding="utf-8"))
    return read_scan(
        prepared.path("local_field"),
        prepared.path("local_mask"),
        magnitude=prepared.path("magnitude"),
        field_noise=prepared.path("field_noise"),
        b0_dir=about.get("B0_dir"),
        b0=about.get("MagneticFieldStrength"),
        echo_times=about.get("EchoTimes", ()),
    )


def reconstruct_subjects(
    *,
    prepared: Path,
    subjects: Sequence[str],
    method: str,
    options: dict[str, Any],
    weights: Path | None,
    out: Path,
    status: Path,
    timings: Path,
    device: str = "cpu",
) -> None:
    """Run one method on every scan of a prepared set; a failure is a record.

    Args:
        prepared: BIDS derivative of the preparation.
        subjects: labels.
        method: name in the registry.
        options: parameters that differ from the defaults.
        weights: of a network, or None.
        out: BIDS derivative to write; a scan on which the method failed has no map.
        status: JSON to write: what ran, and per scan whether it worked and the hash of the result.
        timings: CSV to write (`Attempts.times`).
        device: of torch.
    """
    reconstruct = build(method, options, weights)
    label = find(method).label
    write_description(
        out, f"{label} susceptibility maps", code_version(), derivative=True, sources=[prepared.name], step=method
    )
    attempt = Attempts(reconstruct, method, device, kind="subject")
    rows: list[dict[str, Any]] = []
    for item in tqdm(prepared_scans(prepared, subjects), unit="scan", desc=method, disable=None):
        scan = scan_of(item)
        result = attempt(scan, item.name)
        row = {"scan": item.name, **result.outcome, "sha256": ""}
        if (found := result.found) is not None:
            path = item.chimap(out)
            about = {
                "Description": f"magnetic susceptibility, {label}",
                "Units": "ppm",
                "Method": method,
                "Parameters": find(method).resolved(options),
                "Convergence": [asdict(course) for course in found.convergence],
                "Notes": list(found.notes),
                "Sources": [f"bids:prepared:{item.path('local_field').relative_to(prepared).as_posix()}"],
            }
            write_map(path, found.chi.numpy(), scan.grid, about)
            row["sha256"] = sha256_of(path)
        rows.append(row)
    weights_hash = "" if weights is None else sha256_of(weights)
    write_text_atomic(timings, attempt.times)
    write_json_atomic(status, {"method": method, "options": options, "weights_sha256": weights_hash, "scans": rows})


def evaluate_subjects(
    *,
    set_name: str,
    run_name: str,
    truth: Path,
    prepared: Path,
    subjects: Sequence[str],
    maps: Path,
    status: Path,
    metrics: Iterable[str],
    seed: int,
    out: Path,
) -> None:
    """Score one method's maps of a simulated set and write the rows as Parquet.

    Args:
        set_name: of the set.
        run_name: of the method's entry in the configuration.
        truth: the raw dataset, which holds the ground truth.
        prepared: BIDS derivative of the preparation.
        subjects: labels.
        maps: BIDS derivative of the method.
        status: the JSON that came with it.
        metrics: names; those that need tissue labels give no score.
        seed: of the run.
        out: Parquet to write.

    Raises:
        InputError: an unknown metric, or files that do not belong together.
    """
    names = list(metrics)
    made = json.loads(status.read_text(encoding="utf-8"))
    results = {row["scan"]: row for row in made["scans"]}
    common = common_columns(set_name, run_name, made, seed)
    rows: list[dict[str, Any]] = []
    for item in prepared_scans(prepared, subjects):
        if item.name not in results:
            raise InputError(f"{status} knows nothing of {item.name}; reconstruct again")
        result = results[item.name]
        scores: list[Score] = []
        if result["status"] == "ok":
            scores = score_scan(item, read_truth(truth, item.subject).reference, item.chimap(maps), names)
        data_hash = config_hash([sha256_of(item.path("local_field")), sha256_of(item.path("local_mask"))])
        rows += score_rows(common, item.name, result, scores=scores, data_hash=data_hash, names=names)
    write_scores(pd.DataFrame(rows, columns=list(COLUMNS)), out)


def score_scan(item: PreparedScan, reference: Reference, chimap: Path, names: Sequence[str]) -> list[Score]:
    """Score one map of a prepared scan against the truth, where brain and prepared field are both known."""
    known = read_mask(item.path("local_mask")) & reference.mask
    case = Case(
        estimate=read_volume(chimap).data,
        mask=known,
        grid=reference.grid,
        reference=reference.chi,
        local_field=read_volume(item.path("local_field"), finite=False).data,
        # What background removal took away of the brain is not there for any method.
        extent=reference.mask,
    )
    return score_case(case, names)


def evaluate_fields(*, truth: Path, prepared: Path, subjects: Sequence[str], out: Path) -> None:
    """Compare the prepared total and local fields of a simulated set with the truth: CSV, a row a scan and field.

    Columns: subject, field, nrmse_demeaned (%), rms_error (ppb, demeaned), correlation, coverage (of the brain).
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("subject", "field", "nrmse_demeaned", "rms_error", "correlation", "coverage"))
    for item in prepared_scans(prepared, subjects):
        true = read_truth(truth, item.subject)
        brain, size = true.reference.mask, true.reference.grid.voxel_size
        for field, field_mask, reference in (
            ("total", "mask", true.total_field),
            ("local", "local_mask", true.local_field),
        ):
            known = read_mask(item.path(field_mask)) & brain
            estimate = read_volume(item.path(f"{field}_field"), finite=False).data
            values = score(estimate, reference, known, size, FIELD_METRICS, extent=brain)
            error = (estimate - reference)[known].astype(np.float64)
            numbers = (
                values["nrmse_demeaned"],
                1000 * error.std(),
                values["correlation"],
                values["coverage"],
            )
            writer.writerow((item.name, field, *(f"{value:.6g}" for value in numbers)))
    write_text_atomic(out, table.getvalue())
