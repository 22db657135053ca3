"""Data-consistency residual: how far the field of the map is from the field that was measured.

R = 100 ||m (d * chi - field)||_2 / ||m field||_2, with the mask m and the padded dipole convolution d * of
`qsmbench.physics.dipole`.

The data term that dipole inversion minimises (de Rochefort et al. 2010, doi:10.1002/mrm.22187), as a number that needs
no truth.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from qsmbench.metrics.case import WHOLE_MASK, Case


def data_consistency(case: Case) -> dict[str, float]:
    """Return the residual in %, 0 where the map explains the field; nothing where the field is zero.

    What rankings turn on:
        - Noise: a map that fits the noise has the smaller residual and the worse streaks. Too small is as bad as too
          large, so tables mark no best value.
        - Crop: sources outside the field of view or the mask act on the measured field and not on the map's; the true
          map itself then has a residual.
        - The cone: streaks lie where the kernel is zero and cost nothing here; see `cone_streaking`.
    """
    import torch

    from qsmbench.physics.dipole import forward_field

    measured = case.field
    norm = sqrt(float((measured**2).sum()))
    if norm == 0:
        return {}
    field = forward_field(torch.from_numpy(case.chi), case.grid).numpy()
    residual = np.where(case.inside, field, 0) - measured
    return {WHOLE_MASK: 100 * sqrt(float((residual**2).sum())) / norm}
