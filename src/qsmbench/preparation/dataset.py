"""Files in, files out: a BIDS dataset, or the loose files of one scan.

Everything is read and checked before anything is computed, and everything of an acquisition is computed before anything
of it is written.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from qsmbench.core.errors import InputError
from qsmbench.data.inputs_kept import keep_inputs
from qsmbench.data.prepared import OUTPUTS
from qsmbench.preparation import bids
from qsmbench.preparation.bids_files import survey
from qsmbench.preparation.echoes import Echoes
from qsmbench.preparation.errors import Mistakes
from qsmbench.preparation.loose_scan import load_files
from qsmbench.preparation.outputs import loose_path, output_path, write_description, write_outputs
from qsmbench.preparation.pipeline import Prepared, prepare
from qsmbench.preparation.settings import PreparationSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Written:
    """What was written of one acquisition.

    Attributes:
        entities: of the acquisition; empty for loose files.
        paths: NIfTI files by name (`data.prepared.OUTPUTS`).
        warnings: one line each.
    """

    entities: Mapping[str, str]
    paths: Mapping[str, Path]
    warnings: tuple[str, ...]


def prepare_bids(
    bids_dir: Path,
    out_dir: Path,
    settings: PreparationSettings,
    subjects: Sequence[str] = (),
    masks: Path | None = None,
    *,
    entities: Mapping[str, str] | None = None,
    failures_kept: bool = False,
) -> list[Written]:
    """Prepare the acquisitions of a BIDS dataset and write BIDS derivatives.

    Args:
        bids_dir: top folder of the dataset.
        out_dir: top folder of the derivatives; may lie in the dataset (`derivatives/...`), but not be it.
        settings: every choice.
        subjects: labels; none means all.
        entities: that an acquisition must have ({"rec": "norm"}); none means all.
        masks: folder of a dataset with masks (`sub-*/**/*_mask.nii.gz`) that take the place of the extracted ones.
        failures_kept: where somebody else's background removal fails, an empty field whose sidecar says why.

    Raises:
        InputError: everything that is wrong in the dataset, one line each; nothing is then written.
    """
    if bids_dir.resolve() == out_dir.resolve():
        raise InputError(f"{out_dir} is the dataset itself; give another folder for the derivatives")
    acquisitions, passed_over = survey(bids_dir, subjects, entities)
    for line in passed_over:
        logger.warning(line)
    mistakes = Mistakes()
    # Kept where there is only one; of many, holding them all could take more memory than there is.
    loaded: bids.Loaded | None = None
    for acquisition in acquisitions:
        loaded = None
        with mistakes.collected():
            loaded = bids.load(acquisition, settings.phase, masks)
    mistakes.check()
    written = []
    for acquisition in acquisitions:
        if loaded is None or len(acquisitions) > 1:
            loaded = bids.load(acquisition, settings.phase, masks)
        logger.info("%s: phase %s", acquisition.name, loaded.phase_scaling)
        for line in loaded.warnings:
            logger.warning(line)
        prepared = prepare(loaded.echoes, settings, loaded.mask, failures_kept=failures_kept)
        prepared = replace(prepared, warnings=(*loaded.warnings, *prepared.warnings))
        paths = {name: output_path(out_dir, acquisition.entities, name) for name in prepared.volumes}
        source = _source(loaded.echoes, loaded.phase_scaling)
        source["Sources"] = [f"bids:raw:{path}" for path in acquisition.sources]
        write_description(out_dir, bids_dir)
        write_outputs(paths, prepared, settings, source, loaded.frames)
        _tell(acquisition.name, prepared)
        written.append(Written(acquisition.entities, paths, prepared.warnings))
    return written


def prepare_files(
    phase: Sequence[Path],
    *,
    magnitude: Sequence[Path],
    echo_times: Sequence[float],
    b0: float,
    out_dir: Path,
    settings: PreparationSettings,
    mask: Path | None = None,
    b0_dir: Sequence[float] | None = None,
) -> Written:
    """Prepare one scan given as loose files and write plainly named ones.

    Args:
        phase: one file an echo, or one with all echoes along the fourth axis.
        magnitude: likewise.
        echo_times: s.
        b0: T.
        out_dir: folder for `local_field.nii.gz` and the others.
        settings: every choice.
        mask: non-zero inside, used as it is.
        b0_dir: in voxel axes; by default the scanner's z axis through the affine.

    Raises:
        InputError: everything that is wrong, one line each; nothing is then written.
    """
    # A mask is written as it was used; everything else would be lost.
    keep_inputs((loose_path(out_dir, name) for name in OUTPUTS), (*phase, *magnitude))
    loaded = load_files(
        phase,
        magnitude=magnitude,
        echo_times=echo_times,
        b0=b0,
        settings=settings.phase,
        mask=mask,
        b0_dir=b0_dir,
    )
    echoes, warnings = loaded.echoes, loaded.warnings
    logger.info("%s: phase %s", echoes.name, loaded.phase_scaling)
    for line in warnings:
        logger.warning(line)
    prepared = prepare(echoes, settings, loaded.mask)
    prepared = replace(prepared, warnings=(*warnings, *prepared.warnings))
    paths = {name: loose_path(out_dir, name) for name in prepared.volumes}
    source = _source(echoes, loaded.phase_scaling)
    source["Sources"] = list(loaded.sources)
    write_outputs(paths, prepared, settings, source, loaded.frames)
    _tell(echoes.name, prepared)
    return Written({}, paths, prepared.warnings)


def _source(echoes: Echoes, phase_scaling: str) -> dict[str, object]:
    return {
        "EchoTimes": list(echoes.echo_times),
        "MagneticFieldStrength": echoes.b0,
        "B0_dir": [round(b, 7) for b in echoes.grid.b0_dir],
        "PhaseScaling": phase_scaling,
    }


def _tell(name: str, prepared: Prepared) -> None:
    volume = float(np.prod(prepared.grid.voxel_size)) / 1000
    n_mask, n_local = (int(np.count_nonzero(prepared.volumes[m])) for m in ("mask", "local_mask"))
    eroded = 100 * (1 - n_local / n_mask)
    logger.info(
        "%s: mask %.0f ml, local field on %.0f ml (%.1f %% eroded)", name, n_mask * volume, n_local * volume, eroded
    )
