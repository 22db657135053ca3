"""SSIM of the 2016 challenge: structural similarity after a rescaling to 0..255 that both maps share.

1. lowest = the smallest value in either volume, background included; it is subtracted from the nonzero voxels of both.
2. highest = the largest value in either volume then; both are multiplied by 255 / highest. Background stays 0.
3. Structural similarity with a 5x5x5 Gaussian window (sigma 1.5 voxels), K = (0.01, 0.03), L = 255, so
   C1 = (0.01 x 255)^2 and C2 = (0.03 x 255)^2, zeros beyond the volume's edge.
4. The mean of the similarity map over the mask; the challenge's script takes another, see `ssim`.

Langkammer et al., Magn Reson Med 79 (2018) 1661, doi:10.1002/mrm.26830 (``compute_ssim.m``: the 3-D form of Wang's
script that also comes with BM4D, window half-widths [2 2 2], the rescaling put in front); Wang et al. 2004,
doi:10.1109/TIP.2003.819861.
"""

from __future__ import annotations

from math import nan

import numpy as np

from qsmbench.metrics.case import WHOLE_MASK, Case
from qsmbench.metrics.pair import Pair, Volume
from qsmbench.metrics.structural import mean_similarity

LEVELS = 255.0
K1, K2 = 0.01, 0.03
RADIUS = 2


def ssim(case: Case) -> dict[str, float]:
    """Return the structural similarity, 1 at best.

    What rankings turn on:
        - Data range: it comes from the two maps themselves, estimate included. One extreme voxel in the estimate widens
          it, squeezes both maps into fewer grey levels and **raises** the score (Milovic et al. 2024 call it hacking,
          doi:10.1002/mrm.30271). Diamagnetic tissue lies near 0 on this scale, and its errors weigh more than those in
          paramagnetic tissue.
        - Window: 5x5x5 at sigma 1.5, cut at 1.3 sigma. The usual 2-D SSIM has 11x11; other windows, other numbers.
        - Averaging: the mean is over the reference's mask. The challenge's script takes it over the voxels where the
          rescaled *estimate* is not zero. Where a method covers the mask the two differ by at most the voxel of the
          lowest value. Where it does not, the script leaves out what is missing, and eroding the brain costs next to
          nothing.
        - Zeros: a voxel of exactly 0 is background to the rescaling and stays at grey level 0, while its neighbours
          move up; a missing voxel thus costs more than its distance in ppm.

    Anisotropic voxels: the window is counted in **voxels**: with 0.75x0.75x3 mm it spans 3.75x3.75x15 mm. Compare
    methods on one grid only.

    Returns:
        The score; nan where both maps rescale to nothing but zeros.

    Raises:
        InputError: see `qsmbench.metrics.case.Case.pair_with_margin`.
    """
    # One voxel of margin keeps some background wherever the volume has any, and with it its 0 in the lowest value.
    pair = case.pair_with_margin(1)
    scaled = rescale(pair)
    if scaled is None:
        return {WHOLE_MASK: nan}
    c1, c2 = (K1 * LEVELS) ** 2, (K2 * LEVELS) ** 2
    return {WHOLE_MASK: mean_similarity(*scaled, pair.mask, radius=RADIUS, c1=c1, c2=c2)}


def rescale(pair: Pair) -> tuple[Volume, Volume] | None:
    """Return estimate and reference on the common scale 0..255, or None where there is no range to scale."""
    lowest = min(pair.estimate.min(), pair.reference.min())
    estimate = np.where(pair.estimate != 0, pair.estimate - lowest, 0.0)
    reference = np.where(pair.reference != 0, pair.reference - lowest, 0.0)
    highest = max(estimate.max(), reference.max())
    if highest == 0:
        return None
    return LEVELS * estimate / highest, LEVELS * reference / highest
