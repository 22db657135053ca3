"""How good the prepared fields of simulated scans are, against the fields as they were simulated.

A local field is scored against all of the brain's, and beside it stands what bounds that score. Of the true local
field, the part that is harmonic in the mask could as well come from sources outside: nothing that tells background by
its being harmonic can know it (`physics.harmonic`). And the noise of the field remains whatever is removed.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from qsmbench.data.atomic import write_text_atomic
from qsmbench.data.nifti import read_mask, read_volume
from qsmbench.metrics.case import Case
from qsmbench.metrics.registry import score_case
from qsmbench.physics.harmonic import without_harmonic
from qsmbench.sets.simulated import SimulatedScans

FIELD_METRICS = ("nrmse_demeaned", "correlation", "coverage")
COLUMNS = ("subject", "field", "nrmse_demeaned", "rms_error", "correlation", "coverage", "harmonic", "noise", "told")


def evaluate_fields(scans: SimulatedScans, out: Path) -> None:
    """Compare the prepared total and local fields of a simulated set with the truth: CSV, a row a scan and field.

    Columns: subject, field, nrmse_demeaned (%), rms_error (ppb, demeaned), correlation, coverage (of the brain); and in
    percent of the true field's spread, as the first: harmonic (that part of the true local field in the prepared mask,
    which no background removal can tell), noise (the field's, as the fit states it), told (the error without its
    harmonic part). A total field has neither harmonic nor told. Where background removal failed the first four are nan.
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    for item in scans.prepared.values():
        true = scans.truth(item.name)
        brain, voxel_size = true.reference.mask, true.reference.grid.voxel_size
        noise = read_volume(item.path("field_noise"), finite=False).data
        given = read_mask(item.path("mask")) & brain
        for field, field_mask, reference in (
            ("total", "mask", true.total_field),
            ("local", "local_mask", true.local_field),
        ):
            if field == "local" and scans.failure(item.name):
                writer.writerow((item.name, field, *["nan"] * 4, *[""] * 3))
                continue
            known = read_mask(item.path(field_mask)) & brain
            estimate = read_volume(item.path(f"{field}_field"), finite=False).data
            case = Case(estimate, known, true.reference.grid, reference, extent=brain)
            values = {name: value for name, _, value in score_case(case, FIELD_METRICS)}
            error = np.where(known, estimate - reference, 0).astype(np.float32)
            spread = float(reference[known].astype(np.float64).std())

            def percent(part: np.ndarray, where: np.ndarray = known, of: float = spread) -> float:
                return 100 * float(part[where].astype(np.float64).std()) / of

            numbers = [
                values["nrmse_demeaned"],
                1000 * float(error[known].astype(np.float64).std()),
                values["correlation"],
                values["coverage"],
                np.nan,
                100 * float(np.sqrt(np.mean(noise[known].astype(np.float64) ** 2))) / spread,
                np.nan,
            ]
            if field == "local":
                numbers[4] = percent(reference - without_harmonic(reference, given, voxel_size))
                numbers[6] = percent(without_harmonic(error, known, voxel_size))
            writer.writerow((item.name, field, *("" if np.isnan(n) else f"{n:.6g}" for n in numbers)))
    write_text_atomic(out, table.getvalue())
