"""Contrast changes of the head at rest, before it is averaged into voxels.

    chi' = gain * g(chi) + offset,   g(chi) = (high - low) (t^gamma - t0^gamma),   t = (chi - low) / (high - low),

with low and high the source's own range and t0 the place of chi = 0 in it, so that 0 stays 0 (chi is relative to a
reference, and a step at the mask's edge would make a field of its own) and the width of the range is kept.
Where tissue labels exist, chi' = tissue_gain * chi' + tissue_offset follows for each label. The gamma curve is
that of image processing (Gonzalez & Woods, Digital Image Processing, 3.2.3).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from qsmbench.core.compiled import compiled

F32: TypeAlias = NDArray[np.float32]

# Nodes of the tabulated curve; over a range of 0.6 ppm its steps are 0.15 ppb.
_N_NODES = 4096


@dataclass(frozen=True)
class ContrastChange:
    """One drawn change.

    Attributes:
        gain: factor on chi.
        gamma: exponent of the curve.
        offset: ppm.
        tissue: for each label its factor and its offset in ppm.
    """

    gain: float = 1.0
    gamma: float = 1.0
    offset: float = 0.0
    tissue: Mapping[int, tuple[float, float]] = field(default_factory=dict)

    def curve(self, chi: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
        """Chi after gain, gamma and offset, for ``chi`` within [``low``, ``high``] (a range that holds 0)."""
        span = high - low
        t, t0 = (chi - low) / span, -low / span
        curved: NDArray[np.float64] = self.gain * span * (t**self.gamma - t0**self.gamma) + self.offset
        return curved


def apply_contrast(
    chi: F32,
    mask: NDArray[np.bool_],
    labels: NDArray[np.int16] | None,
    change: ContrastChange,
    chi_range: tuple[float, float],
) -> F32:
    """Return ``chi`` (x, y, z), ppm, changed inside ``mask`` and zero outside; ``chi_range`` holds all of it."""
    low, high = min(0.0, chi_range[0]), max(1e-6, chi_range[1])
    table = change.curve(np.linspace(low, high, _N_NODES), low, high)
    if labels is None or not change.tissue:
        labels, gains, offsets, first = np.zeros((1, 1, 1), np.int16), np.ones(1), np.zeros(1), 0
    else:
        first = min(0, *change.tissue)
        n = max(0, *change.tissue) - first + 1
        gains, offsets = np.ones(n), np.zeros(n)
        for label, (gain, offset) in change.tissue.items():
            gains[label - first], offsets[label - first] = gain, offset
    changed: F32 = _apply(chi, mask, labels, table, low, (_N_NODES - 1) / (high - low), gains, offsets, first)
    return changed


@compiled()
def _apply(  # noqa: PLR0917 - numba takes arrays, not objects
    chi: F32,
    mask: NDArray[np.bool_],
    labels: NDArray[np.int16],
    table: NDArray[np.float64],
    low: float,
    per_ppm: float,
    gains: NDArray[np.float64],
    offsets: NDArray[np.float64],
    first: int,
) -> F32:
    out = np.zeros_like(chi)
    last = table.size - 2
    labelled = gains.size > 1
    nx, ny, nz = chi.shape
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                if mask[i, j, k]:
                    t = (chi[i, j, k] - low) * per_ppm
                    node = min(max(int(t), 0), last)
                    value = table[node] + (t - node) * (table[node + 1] - table[node])
                    if labelled:
                        tissue = labels[i, j, k] - first
                        if 0 <= tissue < gains.size:
                            value = gains[tissue] * value + offsets[tissue]
                    out[i, j, k] = value
    return out
