"""Pearson's correlation between estimate and reference inside the mask.

r = <x, t> / (||x||_2 ||t||_2),  x = chi - mean(chi), t = chi_ref - mean(chi_ref), means and norms over the mask.

Pearson, Proc R Soc Lond 58 (1895) 240, doi:10.1098/rspl.1895.0041. Reported next to the metrics of the 2019 challenge
(doi:10.1002/mrm.28754) by QSM-CI.
"""

from __future__ import annotations

from math import nan, sqrt

from qsmbench.metrics.case import WHOLE_MASK, Case
from qsmbench.metrics.pair import demeaned_inside, inner


def correlation(case: Case) -> dict[str, float]:
    """Return the correlation coefficient, from -1 to 1, 1 at best.

    What rankings turn on:
        - Offset and scale: neither counts, as long as the scale is positive; a method that halves every value scores 1.
          `nrmse_detrended` is a function of this number, so the two columns are one piece of evidence, not two.
        - Few strong voxels: veins, nuclei and calcifications hold most of the variance and decide the score.
        - Averaging: all voxels of the mask, those a method left at zero included.

    Anisotropic voxels: every voxel counts once, whatever its size or shape.

    Returns:
        The score; nan for a constant estimate.

    Raises:
        InputError: see `qsmbench.metrics.case.Case.pair_with_margin`; a reference that is constant inside the mask.

    >>> correlation(Case.of([[[1.0, 2.0]]], [[[3.0, -5.0]]], [[[1, 1]]], (1, 1, 1)))
    {'mask': -1.0}
    """
    estimate, _ = case.pair.inside
    x, t = demeaned_inside(case.pair)
    if estimate.min() == estimate.max():
        return {WHOLE_MASK: nan}
    r = inner(x, t) / sqrt(inner(x, x) * inner(t, t))
    return {WHOLE_MASK: min(1.0, max(-1.0, r))}
