"""The truth of simulated scans, among the derivatives of their raw dataset; only `evaluate` opens it.

<dataset>/derivatives/ground-truth/sub-<label>/anat/
    sub-<label>_Chimap.nii.gz               true chi of the brain, ppm against water
    sub-<label>_desc-local_fieldmap.nii.gz  field of that chi, ppm
    sub-<label>_desc-total_fieldmap.nii.gz  field of the whole head after the shim, ppm
    sub-<label>_desc-brain_mask.nii.gz
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qsmbench.core.grid import Grid
from qsmbench.core.scan import Reference
from qsmbench.data.bids_write import chimap_path
from qsmbench.data.layout import TRUTH
from qsmbench.data.nifti import read_mask, read_volume
from qsmbench.data.sidecars import read_json

FIELDS = ("local", "total")


@dataclass(frozen=True, eq=False)
class Truth:
    """The truth of one simulated subject: reference chi with its mask, and fields in ppm."""

    reference: Reference
    local_field: np.ndarray
    total_field: np.ndarray


def read_truth(folder: Path, subject: str) -> Truth:
    """Read the truth of one subject of a simulated dataset."""
    anat = folder / TRUTH / f"sub-{subject}/anat"
    chi = read_volume(chimap_path(folder / TRUTH, subject))
    mask = read_mask(anat / f"sub-{subject}_desc-brain_mask.nii.gz", like=chi)
    local, total = (read_volume(anat / f"sub-{subject}_desc-{f}_fieldmap.nii.gz", like=chi).data for f in FIELDS)
    about = read_json(anat / f"sub-{subject}_desc-brain_mask.json")
    grid = Grid.from_affine(chi.data.shape, chi.affine, about["B0_dir"])
    return Truth(Reference(chi.data, mask, grid), local, total)
