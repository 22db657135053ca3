"""Power of a volume by spatial frequency, shell by shell, inside and outside the dipole kernel's cone.

A shell holds the samples of k-space whose |k|, 1/mm, lies between two radii; radii grow by a constant factor, as the
spectra of tissue and of its errors fall by powers. Power is counted as the variance of the white noise that would have
as much: the mean of |F|^2 over the samples, over the number of voxels that the volume fills (those of its mask).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from qsmbench.core.compiled import compiled
from qsmbench.core.grid import Shape, Triple

F64 = NDArray[np.float64]

# |D| below which the narrow and the wide cone lie, and above which the field shows susceptibility.
CONES = (0.04, 0.1)
OUTSIDE = 0.15
# A third of an octave: the spectra of measured fields change by less than half within one.
_RATIO = 2 ** (1 / 3)
# Steps of |k|^2 in which radii are looked up; the lowest shell spans hundreds on any head.
_STEPS = 1 << 18
_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class Shells:
    """Sums over shells, in three parts of k-space: narrow cone, wide cone, outside.

    Attributes:
        radii: geometric mean radius of each shell, 1/mm.
        count: (3, shells), samples of the half spectrum.
        power: (3, shells), mean of |F|^2 a voxel, (unit of the volume)^2; NaN where there is no sample.
        squared_kernel: (3, shells), mean of D^2.
    """

    radii: F64
    count: F64
    power: F64
    squared_kernel: F64


@dataclass(frozen=True, eq=False)
class Spectrum:
    """A radial power spectrum: a power law between its radii and constant beyond them.

    Attributes:
        radii: 1/mm, rising.
        power: at each, (unit)^2 a voxel, positive.

    >>> float(Spectrum(np.array([0.1, 0.4]), np.array([16.0, 1.0])).at(np.array(0.2)).round(9))
    4.0
    """

    radii: F64
    power: F64

    def at(self, k: F64) -> F64:
        """Power at frequencies ``k``, 1/mm, any shape."""
        value: F64 = np.exp(np.interp(np.log(np.maximum(k, 1e-12)), np.log(self.radii), np.log(self.power)))
        return value

    def volume(self, shape: Shape, voxel_size: Triple) -> torch.Tensor:
        """Power on the half spectrum (X, Y, Z // 2 + 1) of a grid of ``shape``, float32."""
        squares = squared_frequencies(shape, voxel_size)
        table = self.at(_table_radii(squares)).astype(np.float32)
        out = np.empty((shape[0], shape[1], shape[2] // 2 + 1), np.float32)
        _look_up(squares, table, out)
        return torch.from_numpy(out)


def squared_frequencies(shape: Shape, voxel_size: Triple) -> tuple[F64, F64, F64]:
    """k^2 along each axis of the half spectrum, 1/mm^2."""
    x, y = (np.fft.fftfreq(n, v).astype(np.float64) ** 2 for n, v in zip(shape[:2], voxel_size[:2], strict=True))
    return x, y, np.fft.rfftfreq(shape[2], voxel_size[2]).astype(np.float64) ** 2


def shell_power(
    spectrum: torch.Tensor, kernel: torch.Tensor, shape: Shape, voxel_size: Triple, energy: float
) -> Shells:
    """Sum up a spectrum over shells.

    Args:
        spectrum: half spectrum (X, Y, Z // 2 + 1) of a volume on a grid of ``shape``, complex.
        kernel: D, same shape.
        shape: (X, Y, Z).
        voxel_size: mm.
        energy: of a volume of ones: how many voxels the volume fills, or the sum of a window's squares.
    """
    squares = squared_frequencies(shape, voxel_size)
    lowest = min(1 / (n * v) for n, v in zip(shape, voxel_size, strict=True))
    radii = _table_radii(squares)
    n_shells = max(int(np.ceil(np.log(max(radii[-1], lowest) / lowest) / np.log(_RATIO))), 1)
    place = np.log(np.maximum(radii, lowest) / lowest) / np.log(_RATIO)
    table = np.minimum(place, n_shells - 1).astype(np.int32)
    sums = np.zeros((3, 3, n_shells))
    _sum_up(torch.view_as_real(spectrum).cpu().numpy(), kernel.cpu().numpy(), squares, table, sums)
    count, total, squared = sums
    present = np.maximum(count, 1)
    power = np.where(count > 0, total / present / energy, np.nan)
    middles = np.array([lowest * _RATIO ** (i + 0.5) for i in range(n_shells)])
    return Shells(middles, count, power, squared / present)


def _table_radii(squares: tuple[F64, F64, F64]) -> F64:
    """|k| at the steps of a table, which are equal in k^2."""
    highest = max(float(sum(k.max() for k in squares)), _TINY)
    radii: F64 = np.sqrt(np.linspace(0, highest, _STEPS + 1))
    return radii


@compiled(nogil=True, fastmath=True)
def _sum_up(f: Any, kernel: Any, squares: Any, table: Any, sums: Any) -> None:
    x2, y2, z2 = squares
    scale = (table.size - 1) / max(x2.max() + y2.max() + z2.max(), _TINY)
    for i in range(kernel.shape[0]):
        for j in range(kernel.shape[1]):
            for k in range(kernel.shape[2]):
                d = abs(kernel[i, j, k])
                k2 = x2[i] + y2[j] + z2[k]
                if k2 == 0 or CONES[1] <= d <= OUTSIDE:
                    continue
                shell = table[int(k2 * scale)]
                energy = float(f[i, j, k, 0]) ** 2 + float(f[i, j, k, 1]) ** 2
                part = 2 if d > OUTSIDE else 1
                sums[0, part, shell] += 1
                sums[1, part, shell] += energy
                sums[2, part, shell] += d * d
                if d < CONES[0]:
                    sums[0, 0, shell] += 1
                    sums[1, 0, shell] += energy
                    sums[2, 0, shell] += d * d


@compiled(nogil=True, fastmath=True)
def _look_up(squares: Any, table: Any, out: Any) -> None:
    x2, y2, z2 = squares
    scale = (table.size - 1) / max(x2.max() + y2.max() + z2.max(), _TINY)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            for k in range(out.shape[2]):
                out[i, j, k] = table[int((x2[i] + y2[j] + z2[k]) * scale)]
