"""iSMV: the spherical mean taken again and again, until the field inside is harmonic.

    background = S background where the sphere lies inside the mask (M), total elsewhere;   local = total - background

Wen 2014, doi 10.1002/mrm.24998. Each mean of theirs spreads the rim's values by part of a radius, so that hundreds of
them are needed; what they converge to solves (1 - M S M) local = M (1 - S) total, which conjugate gradients reach in
some tens of steps (ours). No threshold, no deconvolution; a small sphere will do, and its radius is all that is lost.
"""

from __future__ import annotations

import torch

from qsmbench.physics.conjugate_gradients import conjugate_gradients
from qsmbench.preparation.background.box import Box
from qsmbench.preparation.background.contract import Local, Total
from qsmbench.preparation.background.spheres import eroded, sphere_filter
from qsmbench.preparation.settings import Ismv


def ismv(total: Total, settings: Ismv) -> Local:
    """Remove the background by iSMV; the mask loses ``settings.radius`` mm all around."""
    voxel_size = total.grid.voxel_size
    box = Box.around(total.mask, voxel_size, settings.radius)
    smv = sphere_filter(box.shape, voxel_size, settings.radius)
    field, mask = box.cut(total.field), box.cut(total.mask)
    inner = eroded(mask, smv, voxel_size, settings.radius)

    def operator(x: torch.Tensor) -> torch.Tensor:
        return x - smv(x).mul_(inner)

    solution = conjugate_gradients(
        operator,
        (field - smv(field)).mul_(inner),
        tolerance=settings.tolerance,
        max_iterations=settings.max_iterations,
    )
    return Local(
        box.paste(solution.x, total.grid.shape),
        box.paste(inner, total.grid.shape),
        {"IterationsDone": solution.n_iterations, "RelativeResidual": solution.residual},
    )
