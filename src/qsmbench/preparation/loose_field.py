"""One scan from a total field that somebody else fitted: background removal alone, files in and files out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from qsmbench.core.scan import Scan
from qsmbench.data.inputs_kept import keep_inputs
from qsmbench.data.scan_nifti import read_scan_and_notes
from qsmbench.preparation.background.contract import Local, Total
from qsmbench.preparation.background.remove import remove_as_stored
from qsmbench.preparation.dataset import Written
from qsmbench.preparation.outputs import loose_path, write_outputs
from qsmbench.preparation.pipeline import Prepared
from qsmbench.preparation.polarity import OTHER_SIGN, asymmetry, sign_doubts
from qsmbench.preparation.settings import Background, PreparationSettings

logger = logging.getLogger(__name__)


def local_scan(scan: Scan, settings: Background, name: str) -> tuple[Scan, Local]:
    """Remove the background of a scan whose field is a total one; its mask shrinks to where the local one holds.

    Raises:
        InputError: see `background.remove.remove_as_stored`.
    """
    total = Total(scan.local_field, scan.mask, scan.grid, scan.field_noise, scan.magnitude, scan.b0, scan.echo_times)
    local = remove_as_stored(total, settings, name)
    return replace(scan, local_field=local.field, mask=local.mask), local


def prepare_field(
    total_field: Path,
    mask: Path,
    *,
    out_dir: Path,
    settings: PreparationSettings,
    magnitude: Path | None = None,
    field_noise: Path | None = None,
    b0_dir: Sequence[float] | None = None,
    b0: float | None = None,
    units: str | None = None,
) -> Written:
    """Take a total field to the local field and write `local_field.nii.gz` and `local_mask.nii.gz`.

    Args:
        total_field: in ppm, or what ``units`` or its sidecar say.
        mask: where it is known (`data.mask_values`).
        out_dir: folder to write into.
        settings: of which the background removal counts.
        magnitude: any unit; a removal of somebody else's may use it.
        field_noise: standard deviation of the field, in its unit; pdf and joint weigh voxels by it.
        b0_dir: in voxel axes; by default the sidecar's, else the scanner's z axis through the affine.
        b0: T; by default the sidecar's.
        units: of the field; by default its sidecar's, else ppm.

    Raises:
        InputError: a file that is missing or damaged, grids that differ, a removal that failed; nothing is written.
    """
    keep_inputs(
        (loose_path(out_dir, name) for name in ("local_field", "local_mask")),
        (total_field, mask, magnitude, field_noise),
    )
    scan, warnings, frames = read_scan_and_notes(
        total_field,
        mask,
        magnitude=magnitude,
        field_noise=field_noise,
        b0_dir=b0_dir,
        b0=b0,
        units=units,
        total=True,
    )
    found, local = local_scan(scan, settings.background, total_field.name)
    volumes = {"local_field": local.field.numpy(), "local_mask": local.mask.numpy()}
    skewness = asymmetry(volumes["local_field"], volumes["local_mask"], scan.grid)
    warnings = (*warnings, *sign_doubts(skewness, total_field.name, OTHER_SIGN))
    for line in warnings:
        logger.warning(line)
    prepared = Prepared(
        volumes, scan.grid, {"Background": dict(local.report), "ChiSkewness": round(skewness, 4)}, warnings
    )
    source: dict[str, object] = {"B0_dir": [round(b, 7) for b in scan.grid.b0_dir]}
    if scan.b0 is not None:
        source["MagneticFieldStrength"] = scan.b0
    if scan.echo_times:
        source["EchoTimes"] = list(scan.echo_times)
    source["Sources"] = [path.name for path in (total_field, mask, magnitude, field_noise) if path is not None]
    paths = {name: loose_path(out_dir, name) for name in volumes}
    write_outputs(paths, prepared, settings, source, frames)
    n_mask, n_local = int(scan.mask.sum()), int(found.mask.sum())
    logger.info(
        "%s: local field on %d of %d voxels (%.1f %% eroded)",
        total_field.name, n_local, n_mask, 100 * (1 - n_local / n_mask),
    )  # fmt: skip
    return Written({}, paths, warnings)
