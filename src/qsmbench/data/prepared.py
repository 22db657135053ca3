"""Where the files of prepared scans lie: a BIDS derivative, one subject a folder, one scan a prefix.

    <folder>/sub-<label>/[ses-<label>/]anat/<entities>_<ending>.nii.gz

BIDS derivatives 1.10; `mask` and `R2starmap` are its suffixes. It keeps `fieldmap` for what undistorts other images and
has no name for SWI; fields and SWI therefore lie beside the masks under names in use, and `.bidsignore` says so. Units
are those of BIDS: ppm, 1/s, rad.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qsmbench.core.errors import InputError

# Name: ending of the BIDS name, unit, what it is.
OUTPUTS: dict[str, tuple[str, str, str]] = {
    "mask": ("desc-brain_mask", "", "where the total field holds"),
    "local_mask": ("desc-local_mask", "", "where the local field holds, after background removal"),
    "total_field": ("desc-total_fieldmap", "ppm", "total field, relative to B0, paramagnetic positive"),
    "local_field": ("desc-local_fieldmap", "ppm", "local field: total field without that of sources outside the mask"),
    "field_noise": ("desc-noise_fieldmap", "ppm", "standard deviation of the total field"),
    "offset": ("part-phase_desc-offset_T2starw", "rad", "phase at echo time zero"),
    "magnitude": ("part-mag_desc-rss_T2starw", "arbitrary", "root of the echoes' summed squares"),
    "r2star": ("R2starmap", "1/s", "effective transverse relaxation rate"),
    "swi": ("swi", "arbitrary", "susceptibility-weighted image"),
    "minip": ("minIP", "arbitrary", "minimum-intensity projection of the susceptibility-weighted image"),
}


@dataclass(frozen=True)
class PreparedScan:
    """Files of one prepared scan.

    Attributes:
        folder: of the derivative.
        prefix: path below it up to the name's last entity, ``sub-01/anat/sub-01``.
    """

    folder: Path
    prefix: str

    @property
    def name(self) -> str:
        """Its entities without the first ``sub-``: ``01``, or ``01_ses-2_run-1``."""
        return self.prefix.rsplit("/", 1)[-1].removeprefix("sub-")

    @property
    def subject(self) -> str:
        """The label of its subject."""
        return self.name.split("_")[0]

    def path(self, output: str) -> Path:
        """Where an output of the preparation lies (`OUTPUTS` names them)."""
        return self.folder / f"{self.prefix}_{OUTPUTS[output][0]}.nii.gz"

    def chimap(self, folder: Path) -> Path:
        """Where a method's derivative keeps its map."""
        return folder / f"{self.prefix}_Chimap.nii.gz"


def prepared_scans(folder: Path, subjects: Sequence[str]) -> list[PreparedScan]:
    """Every scan of the subjects, in the order of the subjects and of their files' names.

    Raises:
        InputError: a subject without a prepared scan.
    """
    ending = f"_{OUTPUTS['local_field'][0]}.nii.gz"
    scans = []
    for subject in subjects:
        found = sorted((folder / f"sub-{subject}").rglob(f"*{ending}"))
        if not found:
            raise InputError(f"{folder} has no local field of sub-{subject}; prepare it first")
        scans += [PreparedScan(folder, path.relative_to(folder).as_posix().removesuffix(ending)) for path in found]
    return scans
