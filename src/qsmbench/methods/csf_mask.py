"""A mask of CSF from a file, on the box that a method works on: placed by its affine, however it is stored."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import torch

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.core.orientation import Orientation
from qsmbench.core.scan import Scan

# Of a voxel: what rounding in stored affines may move a mask by.
_SLACK = 0.1


def read_csf(path: str, scan: Scan) -> torch.Tensor:
    """Return where the file is above zero (x, y, z) bool, inside the scan's mask.

    Raises:
        InputError: no such file, voxels of another size or elsewhere than the scan's, nothing inside the mask.
    """
    try:
        image = nib.nifti1.Nifti1Image.from_filename(path)
        stored = np.asarray(image.dataobj) > 0
    except (OSError, nib.filebasedimages.ImageFileError) as error:
        raise InputError(f"cannot read the CSF mask {path}: {error}") from error
    grid = Grid.from_affine(stored.shape, np.asarray(image.affine))
    orientation = Orientation.of(grid)
    inside, there = torch.from_numpy(orientation.apply(stored)), orientation.grid(grid)
    step = np.linalg.inv(there.matrix) @ scan.grid.matrix
    first = np.rint(step[:3, 3])
    if np.abs(step - np.eye(4) - np.pad(first[:, None], ((0, 1), (3, 0)))).max() > _SLACK:
        raise InputError(f"CSF mask {path} lies on another grid than the scan; resample it to the scan's")
    csf = torch.zeros_like(scan.mask, device="cpu")
    here, source = [], []
    for n, m, start in zip(scan.grid.shape, inside.shape, first.astype(int).tolist(), strict=True):
        low, high = max(0, -start), min(n, m - start)
        here.append(slice(low, max(low, high)))
        source.append(slice(low + start, max(low, high) + start))
    csf[tuple(here)] = inside[tuple(source)]
    csf = csf.to(scan.device) & scan.mask
    if not csf.any():
        raise InputError(f"CSF mask {path} has no voxel inside the scan's mask")
    return csf
