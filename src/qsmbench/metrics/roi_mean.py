"""Mean susceptibility of the deep grey nuclei and the veins, for scans with and without a truth.

The mean of chi over the labelled voxels of each nucleus (both sides together) and of the veins, as it stands: QSM
leaves the zero point open, so differences between regions mean more than single values.

The regions of Deistung et al. 2013, doi:10.1016/j.neuroimage.2012.09.055, and others that report values by nucleus.
"""

from __future__ import annotations

import numpy as np

from qsmbench.metrics.case import Case
from qsmbench.metrics.regions import BLOOD, MIN_VOXELS, NUCLEI, voxels


def roi_mean(case: Case) -> dict[str, float]:
    """Return the mean in ppm by region; nothing without labels.

    What readings turn on:
        - Zero point: a method's own. Compare regions within a map, or subtract a reference region.
        - Partial volume: veins are as thin as voxels, and their mean is that of vein and surroundings.
    """
    chi = case.chi
    scores = {}
    for name in (*NUCLEI, "thalamus", *BLOOD):
        where = voxels(case, (name,))
        if np.count_nonzero(where) >= MIN_VOXELS:
            scores[name.replace("_", " ")] = float(chi[where].mean())
    return scores
