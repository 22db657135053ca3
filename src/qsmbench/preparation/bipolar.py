"""Bipolar readouts: the phase that alternates between odd and even echoes, found and taken off.

Echoes read with gradients of either sign see delays and eddy currents the other way round:

    phase_j = offset + omega TE_j + (-1)^j b(r),   b(r) = b_0 + g . r

constant and linear in space (Li 2015, doi 10.1007/s10334-014-0470-3). Of three equally spaced echoes the second
difference phase_j - 2 phase_j+1 + phase_j+2 = +-4 b knows neither offset nor field and has hardly a wrap; its slope is
the phase of the product of neighbours, its constant that of the mean, and straight lines through what is left refine
both. 4 b is known up to 2 pi: half a turn more in b_0 is the same as another offset and one turn more of field between
two echoes, a constant, so it does not matter.

Two echoes cannot tell b from the field. What is left in it then is constant and linear in space, hence harmonic, and
goes with the background.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qsmbench.preparation.echoes import Echoes

# Spacings that differ by less than this share of the first count as equal: the field's part of a second difference is
# then some hundredths of what it gains between two echoes.
_EQUAL = 0.01
_REFINEMENTS = 4
# What is smaller (rad, root mean square) or explains less of the second differences is left alone (ours): readouts of
# one polarity have some hundredths, from partial volume and flow.
SIZE, SHARE = 0.05, 0.5


@dataclass(frozen=True)
class Alternation:
    """b(r) = constant + gradient . (r - centre of the volume).

    Attributes:
        constant: rad, in [-pi / 4, pi / 4].
        gradient: rad/mm along the voxel axes.
        size: root mean square of b in the mask, rad.
        share: 0 to 1, how much of the second differences b explains; noise alone or another cause has little.
    """

    constant: float
    gradient: tuple[float, float, float]
    size: float
    share: float


def find(echoes: Echoes, mask: NDArray[np.bool_]) -> Alternation | None:
    """Return the alternating phase inside ``mask``, or None where the echo times cannot tell it."""
    triples = [j for j in range(echoes.n_echoes - 2) if abs(_ratio(echoes.echo_times[j : j + 3]) - 1) < _EQUAL]
    if not triples or not mask.any():
        return None
    product = np.zeros(mask.shape, np.complex64)
    for j in triples:
        a, b, c = (np.where(mask, echoes.phase[i], 0) for i in (j, j + 1, j + 2))
        weight = np.where(mask, np.min(echoes.magnitude[j : j + 3], axis=0), 0) ** 2
        second = (a - 2 * b + c) * (1 if j % 2 == 0 else -1)
        product += weight * np.exp(1j * second)
    total = float(np.abs(product).sum())
    if total == 0:
        return None
    positions = _positions(echoes)
    slope = np.zeros(3)
    for axis in range(3):
        low = (slice(None),) * axis + (slice(None, -1),)
        high = (slice(None),) * axis + (slice(1, None),)
        step = np.vdot(product[low], product[high])
        if abs(step) > 0:
            slope[axis] = float(np.angle(step)) / echoes.grid.voxel_size[axis]
    inside = np.nonzero(mask)
    values = product[inside].astype(np.complex128)
    weight = np.abs(values)
    design = np.column_stack([np.ones(len(values)), *(p[i] for p, i in zip(positions, inside, strict=True))])
    fitted = np.concatenate([[0.0], slope])
    fitted[0] = float(np.angle(np.sum(values * np.exp(-1j * (design @ fitted)))))
    normal = design.T @ (design * weight[:, None])
    for _ in range(_REFINEMENTS):
        rest = np.angle(values * np.exp(-1j * (design @ fitted)))
        fitted += np.linalg.lstsq(normal, design.T @ (weight * rest), rcond=None)[0]
    fitted[0] -= 2 * np.pi * np.round(fitted[0] / (2 * np.pi))
    left = float(np.abs(np.sum(values * np.exp(-1j * (design @ fitted)))))
    size = float(np.sqrt(np.mean((design @ fitted) ** 2))) / 4
    gx, gy, gz = (float(g) / 4 for g in fitted[1:])
    return Alternation(float(fitted[0]) / 4, (gx, gy, gz), size, left / total)


def take_off(echoes: Echoes, found: Alternation) -> Echoes:
    """Return the echoes without (-1)^j b."""
    x, y, z = _positions(echoes)
    gx, gy, gz = found.gradient
    b = found.constant + (gx * x)[:, None, None] + (gy * y)[None, :, None] + (gz * z)[None, None, :]
    signs = np.array([1 if j % 2 == 0 else -1 for j in range(echoes.n_echoes)])
    phase = echoes.phase - signs[:, None, None, None] * b
    return replace(echoes, phase=(phase - 2 * np.pi * np.round(phase / (2 * np.pi))).astype(np.float32))


def _ratio(times: tuple[float, ...]) -> float:
    return (times[2] - times[1]) / (times[1] - times[0])


def _positions(echoes: Echoes) -> list[NDArray[np.floating[Any]]]:
    """Distance from the middle of the volume along each voxel axis, mm."""
    return [(np.arange(n) - (n - 1) / 2) * v for n, v in zip(echoes.grid.shape, echoes.grid.voxel_size, strict=True)]
