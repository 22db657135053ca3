"""Error of the calcification's moment (2019 challenge): |sum of chi_ref over it - sum of chi over what was found|.

See `calcification` for what is found. QSM Challenge 2.0 Organization Committee, Magn Reson Med 86 (2021) 1241,
doi:10.1002/mrm.28754.
"""

from __future__ import annotations

from qsmbench.metrics.calcification import cut_out
from qsmbench.metrics.case import WHOLE_MASK, Case


def calcification_moment(case: Case) -> dict[str, float]:
    """Return the deviation in ppm times voxels, 0 at best; nothing without a labelled calcification.

    What rankings turn on:
        - Size: the sum grows with the number of voxels, so compare methods on one sample only, never samples.
        - Threshold: dark streaks beside the calcification move it, and with it how many voxels are counted.
        - Nothing found counts as a moment of 0, and the whole true moment is the error.
    """
    found = cut_out(case)
    return {} if found is None else {WHOLE_MASK: float(abs(found.true.sum() - found.found.sum()))}
