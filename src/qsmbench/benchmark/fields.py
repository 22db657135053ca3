"""How good the prepared fields of simulated scans are, against the fields as they were simulated."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from qsmbench.data.atomic import write_text_atomic
from qsmbench.data.nifti import read_mask, read_volume
from qsmbench.metrics.case import Case
from qsmbench.metrics.registry import score_case
from qsmbench.sets.simulated import SimulatedScans

FIELD_METRICS = ("nrmse_demeaned", "correlation", "coverage")


def evaluate_fields(scans: SimulatedScans, out: Path) -> None:
    """Compare the prepared total and local fields of a simulated set with the truth: CSV, a row a scan and field.

    Columns: subject, field, nrmse_demeaned (%), rms_error (ppb, demeaned), correlation, coverage (of the brain).
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("subject", "field", "nrmse_demeaned", "rms_error", "correlation", "coverage"))
    for item in scans.prepared.values():
        true = scans.truth(item.name)
        brain = true.reference.mask
        for field, field_mask, reference in (
            ("total", "mask", true.total_field),
            ("local", "local_mask", true.local_field),
        ):
            known = read_mask(item.path(field_mask)) & brain
            estimate = read_volume(item.path(f"{field}_field"), finite=False).data
            case = Case(estimate, known, true.reference.grid, reference, extent=brain)
            values = {name: value for name, _, value in score_case(case, FIELD_METRICS)}
            error = (estimate - reference)[known].astype(np.float64)
            numbers = (
                values["nrmse_demeaned"],
                1000 * error.std(),
                values["correlation"],
                values["coverage"],
            )
            writer.writerow((item.name, field, *(f"{value:.6g}" for value in numbers)))
    write_text_atomic(out, table.getvalue())
