"""Which voxels make up the regions of the 2019 challenge, from label names.

    deep grey   caudate, pallidum, putamen, red nucleus, dentate nucleus, substantia nigra
    tissue      thalamus, white matter, grey matter
    blood       veins, grown by one voxel in all 26 directions

QSM Challenge 2.0 Organization Committee, Magn Reson Med 86 (2021) 1241, doi:10.1002/mrm.28754; the assignment of the
single structures, the thalamus among the tissue, is that of its scoring as QSM.rs and QSM-CI port it.

Left and right halves of a structure carry names that end in `_left` and `_right`. Pitfalls: the growth of blood follows
voxels and not millimetres; labels are hard, so that a thin vein that fills half a voxel is no blood at all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from qsmbench.metrics.case import Case

NUCLEI = ("caudate", "pallidum", "putamen", "red_nucleus", "dentate", "substantia_nigra")
TISSUE = ("thalamus", "white_matter", "grey_matter")
BLOOD = ("vein",)
CALCIFICATION = "calcification"
# Voxels below which a mean or an error tells about single voxels.
MIN_VOXELS = 10


def structure(name: str) -> str:
    """Return a label's name without its side.

    >>> structure("caudate_left"), structure("csf")
    ('caudate', 'csf')
    """
    return name.removesuffix("_left").removesuffix("_right")


def voxels(case: Case, structures: tuple[str, ...]) -> NDArray[np.bool_]:
    """Return the mask's voxels (x, y, z) with one of these structures; none where the case has no labels."""
    if case.labels is None:
        return np.zeros(case.grid.shape, bool)
    wanted = [label for label, name in case.names.items() if structure(name) in structures]
    return np.isin(case.labels, wanted) & case.inside


def regions(case: Case) -> dict[str, NDArray[np.bool_]]:
    """Return the challenge's regions that have at least `MIN_VOXELS` voxels, by name."""
    blood = binary_dilation(voxels(case, BLOOD), structure=np.ones((3, 3, 3), bool)) & case.inside
    found = {"tissue": voxels(case, TISSUE), "deep grey": voxels(case, NUCLEI), "blood": blood}
    return {name: where for name, where in found.items() if np.count_nonzero(where) >= MIN_VOXELS}
