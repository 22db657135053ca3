"""XSIM: structural similarity in ppm, with constants chosen for susceptibility maps.

Structural similarity of the raw maps, 7x7x7 Gaussian window (sigma 1.5 voxels), K = (0.01, 0.001), L = 1 ppm, so
C1 = 1e-4 and C2 = 1e-6 ppm^2; the mean over the mask.

Milovic et al., XSIM: a structural similarity index measure optimized for MRI QSM, Magn Reson Med (2024),
doi:10.1002/mrm.30271 (``compute_xsim.m`` of the FANSI toolbox).
"""

from __future__ import annotations

from qsmbench.metrics.case import WHOLE_MASK, Case
from qsmbench.metrics.structural import mean_similarity

DYNAMIC_RANGE = 1.0
K1, K2 = 0.01, 0.001
RADIUS = 3


def xsim(case: Case) -> dict[str, float]:
    """Return the structural similarity in ppm, 1 at best.

    What rankings turn on:
        - Data range: fixed at 1 ppm, so that a voxel changes the score of its own neighbourhood only. The maps must be
          in ppm: in other units the constants are wrong.
        - Constants: the square root of C2 is 0.001 ppm. Where the reference is flatter than that, noise and streaks of
          a few ppb already bring the local score towards 0; SSIM, where it is 3 % of the maps' range, lets them pass.
        - Window: 7x7x7 at sigma 1.5. Programs with a 5x5x5 uniform window go by the same name (QSM-CI, QSM.rs) and give
          other numbers.
        - Averaging: all voxels of the mask, those a method left at zero included.
        - Edge: zeros beyond the mask and beyond the volume, as in the first version of the script. The version of 2022
          repeats the outermost voxels instead: the same, unless the mask comes within 3 voxels of the volume's edge.

    Anisotropic voxels: the window is counted in **voxels**: with 0.75x0.75x3 mm it spans 5.25x5.25x21 mm. Compare
    methods on one grid only.

    Raises:
        InputError: see `qsmbench.metrics.case.Case.pair_with_margin`.
    """
    pair = case.pair
    c1, c2 = (K1 * DYNAMIC_RANGE) ** 2, (K2 * DYNAMIC_RANGE) ** 2
    return {WHOLE_MASK: mean_similarity(pair.estimate, pair.reference, pair.mask, radius=RADIUS, c1=c1, c2=c2)}
