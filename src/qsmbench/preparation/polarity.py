"""Does the phase count the right way? A warning where veins and deep grey matter would come out diamagnetic.

Strong sources inside a brain are paramagnetic: deoxygenated blood, iron. Their spheres and cylinders make the
susceptibility map's tail heavier on the positive side, its skewness positive; a flipped phase turns the sign. A quick
map by truncated k-space division is good enough to tell, away from the rim, where what background removal left over
weighs more. Calcifications alone can turn the sign too, hence a warning and not an error. Measured values are in
docs/preparation.md.
"""

from __future__ import annotations

import numpy as np
import scipy.ndimage
import torch
from numpy.typing import NDArray

from qsmbench.core.grid import Grid
from qsmbench.data.mask_values import bounding_box
from qsmbench.physics.dipole import DipoleConvolution
from qsmbench.physics.fourier import FourierFilter

# |D| below this is dropped: streaks would hide the tails (truncated division, Wharton 2010, doi 10.1002/mrm.22334).
_THRESHOLD = 0.2
# Of the voxels, from each side, that count as artefacts.
_TRIM = 0.0005
# So far from the rim, mm, or as far as half of the mask lies, where that is less.
_DEPTH = 10.0
# Fewer voxels have no tails.
_FEWEST = 8
# Below this skewness the tails lie on the wrong side beyond doubt; a crop without strong sources has some 0 (ours).
SUSPICIOUS = -0.2
OTHER_SIGN = "if the field counts the other way (it must be positive where B0 is stronger), multiply it by -1"


def sign_doubts(skewness: float, name: str, remedy: str) -> list[str]:
    """Say that strong sources are diamagnetic, where they are, and what to do."""
    if skewness >= SUSPICIOUS:
        return []
    return [f"{name}: veins and deep grey matter look diamagnetic (skewness {skewness:.2f}); {remedy}"]


def asymmetry(local_field: NDArray[np.float32], mask: NDArray[np.bool_], grid: Grid) -> float:
    """Return the skewness of a quick susceptibility map: positive where strong sources are paramagnetic.

    Args:
        local_field: (x, y, z), ppm, zero outside the mask.
        mask: (x, y, z).
        grid: geometry.
    """
    box = bounding_box(mask)
    local_field, mask = np.ascontiguousarray(local_field[box]), mask[box]
    dipole = DipoleConvolution(Grid(mask.shape, grid.voxel_size, grid.b0_dir), padding=1.25)
    strong = dipole.kernel.abs() > _THRESHOLD
    inverse = torch.where(strong, 1 / torch.where(strong, dipole.kernel, 1.0), 0.0)
    depth = scipy.ndimage.distance_transform_edt(np.pad(mask, 1), sampling=grid.voxel_size)[1:-1, 1:-1, 1:-1]
    deep = mask & (depth >= min(_DEPTH, float(np.median(depth[mask]))))
    chi = FourierFilter(inverse, dipole.shape, dipole.padded)(torch.from_numpy(local_field)).numpy()[deep]
    low, high = np.quantile(chi, [_TRIM, 1 - _TRIM])
    clipped = np.clip(chi, low, high).astype(np.float64)
    clipped -= clipped.mean()
    variance = float((clipped**2).mean())
    # A few voxels, or a map without any contrast, have no skewness.
    if clipped.size < _FEWEST or not variance > 0:
        return 0.0
    # As scipy.stats has it, which takes longer to load than all of this.
    third = float((clipped**3).mean())
    return third / float(variance**1.5)
