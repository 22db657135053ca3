"""The calcification and its surroundings, as the 2019 challenge cuts them out.

The box around the labelled calcification grows by 3 voxels to the cube, by 4 more to the rim's outer surface, and by 4
more to the outer box. In the estimate the calcification is what lies in the cube below a threshold: the first of 0,
-0.01, -0.02, ... -3.5 ppm below which no voxel between the cube and the outer box falls.

QSM Challenge 2.0 Organization Committee, Magn Reson Med 86 (2021) 1241, doi:10.1002/mrm.28754; sizes and thresholds are
those of its scoring as QSM.rs and QSM-CI port it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qsmbench.metrics.case import Case
from qsmbench.metrics.regions import CALCIFICATION, voxels

CUBE, RIM, OUTER = 3, 4, 4
STEP, DEEPEST = 0.01, 3.5


@dataclass(frozen=True, eq=False)
class Calcification:
    """What the two scores of a calcification are made from.

    Attributes:
        true: reference at the labelled voxels, ppm.
        found: estimate at the voxels that the threshold selects, ppm; may be empty.
        rim: estimate and reference in the rim, two 1-D arrays, ppm.
    """

    true: NDArray[np.float64]
    found: NDArray[np.float64]
    rim: tuple[NDArray[np.float64], NDArray[np.float64]]


def cut_out(case: Case) -> Calcification | None:
    """Return the calcification, or None without a label of that name."""
    label = voxels(case, (CALCIFICATION,))
    if not label.any():
        return None
    truth, chi = case.truth, case.chi
    cube, rim, outer = (_box(label, n) for n in (CUBE, CUBE + RIM, CUBE + RIM + OUTER))
    around = chi[outer & ~cube]
    lowest = float(around.min()) if around.size else 0.0
    n_steps = round(DEEPEST / STEP)
    threshold = next((-i * STEP for i in range(n_steps + 1) if lowest >= -i * STEP), -DEEPEST)
    candidates = chi[cube]
    shell = rim & ~cube
    return Calcification(truth[label], candidates[candidates < threshold], (chi[shell], truth[shell]))


def _box(label: NDArray[np.bool_], margin: int) -> NDArray[np.bool_]:
    box = np.zeros(label.shape, bool)
    corners = np.argwhere(label)
    low, high = corners.min(axis=0) - margin, corners.max(axis=0) + margin + 1
    x, y, z = (slice(max(int(a), 0), int(b)) for a, b in zip(low, high, strict=True))
    box[x, y, z] = True
    return box
