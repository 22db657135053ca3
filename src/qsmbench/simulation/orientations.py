"""One head in several orientations to B0: the input that COSMOS makes a reference from.

Registered to one grid, the head stands still and B0 turns: field_i = mask ( d(b0_dir_i) * chi ) + noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid, Triple
from qsmbench.core.scan import Scan
from qsmbench.physics.dipole import DEFAULT_PADDING, forward_field


def rotated(b0_dir: Triple, angle: float, axis: Triple) -> Triple:
    """Turn a direction by ``angle`` degrees about ``axis`` (any length), right-handed (Rodrigues' formula).

    >>> [round(c, 6) + 0.0 for c in rotated((0, 0, 1), 90, (1, 0, 0))]
    [0.0, -1.0, 0.0]
    """
    length = float(np.linalg.norm(axis))
    if not length > 0:
        raise InputError(f"rotation axis must be a non-zero vector, got {tuple(axis)}")
    k, v, phi = np.asarray(axis) / length, np.asarray(b0_dir, np.float64), np.deg2rad(angle)
    x, y, z = v * np.cos(phi) + np.cross(k, v) * np.sin(phi) + k * (k @ v) * (1 - np.cos(phi))
    return (float(x), float(y), float(z))


def multi_orientation(
    chi: torch.Tensor,
    mask: torch.Tensor,
    grid: Grid,
    b0_dirs: Sequence[Triple],
    *,
    noise: float = 0.0,
    generator: np.random.Generator | None = None,
    padding: float = DEFAULT_PADDING,
) -> tuple[Scan, ...]:
    """Simulate the local fields of ``chi`` for each direction of B0.

    Args:
        chi: (x, y, z), ppm.
        mask: (x, y, z) bool, where the fields are known.
        grid: geometry; its own B0 direction is not used.
        b0_dirs: B0 in voxel axes, one for each scan.
        noise: standard deviation of white Gaussian noise, ppm; noted in the scans as ``field_noise``.
        generator: draws the noise, scan after scan; needed where there is noise.
        padding: against wrap-around.

    Raises:
        InputError: noise without a generator, or a negative noise.
    """
    if not noise >= 0:
        raise InputError(f"noise is a standard deviation in ppm, got {noise}")
    if noise > 0 and generator is None:
        raise InputError("noise needs a numpy.random.Generator to draw it from")
    scans = []
    for b0_dir in b0_dirs:
        turned = replace(grid, b0_dir=b0_dir)
        field = forward_field(chi, turned, padding)
        deviation = None
        if generator is not None and noise > 0:
            drawn = generator.standard_normal(grid.shape, dtype=np.float32) * np.float32(noise)
            field = field + torch.from_numpy(drawn).to(field.device)
            deviation = torch.full(grid.shape, noise, device=field.device)
        scans.append(Scan(field, mask, turned, field_noise=deviation))
    return tuple(scans)
