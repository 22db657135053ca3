"""Poisson's equation on voxels of any domain, zero outside it: conjugate gradients, multigrid as the preconditioner.

    sum over the six neighbours j of i of (x_i - x_j) / h^2 = b_i,   x = 0 outside the domain

Coarser levels join two voxels along every axis that is not yet much longer than the shortest; the coarse equation is
the fine one restricted to values that are constant in a coarse cell (Galerkin), which keeps the domain's shape on every
level. Such a coarse correction comes out too small and is enlarged (Braess 1995, doi 10.1007/BF02238488); Gauss-Seidel
forwards before it and backwards after it, and every coarse level visited twice (a W-cycle), keep it symmetric.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from qsmbench.core.compiled import compiled
from qsmbench.core.grid import Triple
from qsmbench.physics.conjugate_gradients import CgSolution, conjugate_gradients

Float = NDArray[np.float32]
# By how much a coarse correction is enlarged; two would be right for a smooth error on a large domain.
_ENLARGE = np.float32(1.8)
# An axis is joined as long as its voxels are shorter than this multiple of the shortest.
_RATIO = 1.9
# Below so many voxels a level is solved by sweeps alone.
_COARSEST = 64
_SWEEPS = 20


# What joins a voxel to the next one along x, y, z, and the sum of all that leaves it: (x, y, z) with an empty layer
# around, zero outside the domain.
_Matrix = tuple[Float, Float, Float, Float]
_Factors = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class _Level:
    matrix: _Matrix
    # Voxels joined along each axis to make the next level's.
    factors: _Factors


class Poisson:
    """The equation on one domain.

    Args:
        domain: (x, y, z) bool, where x is wanted.
        spacing: h along each axis, mm.
    """

    def __init__(self, domain: NDArray[np.bool_], spacing: Triple) -> None:
        inside = np.pad(domain, 1)
        shortest = min(spacing)
        # In units of the shortest edge, so that the numbers do not depend on the voxel's size.
        wx, wy, wz = ((shortest / h) ** 2 for h in spacing)
        self._weights = (wx, wy, wz)
        diagonal = inside * np.float32(2 * (wx + wy + wz))
        matrix = (_join(inside, 0, wx), _join(inside, 1, wy), _join(inside, 2, wz), diagonal)
        self._levels = [_Level(matrix, _factors(diagonal.shape, spacing))]
        sizes = spacing
        while max(self._levels[-1].factors) > 1 and np.count_nonzero(self._levels[-1].matrix[3]) > _COARSEST:
            fx, fy, fz = self._levels[-1].factors
            matrix = _coarsen(self._levels[-1].matrix, (fx, fy, fz))
            sizes = (sizes[0] * fx, sizes[1] * fy, sizes[2] * fz)
            self._levels.append(_Level(matrix, _factors(matrix[3].shape, sizes)))

    def source(self, field: Float) -> Float:
        """Return b for x = ``field`` - h, where h is harmonic and has the field's values around the domain."""
        inside = np.pad(field, 1)
        b = np.zeros_like(inside)
        _laplacian(inside, self._levels[0].matrix[3], self._weights, b)
        return b[1:-1, 1:-1, 1:-1]

    def roughly_solved(self, b: Float) -> Float:
        """Return one cycle's answer to ``b``: symmetric and positive, a preconditioner."""
        return self._cycle(0, np.pad(b, 1))[1:-1, 1:-1, 1:-1]

    def solve(self, b: Float, *, tolerance: float, max_iterations: int) -> CgSolution:
        """Solve for x (x, y, z) from ``b``, zero outside the domain, to |b - A x| <= ``tolerance`` |b|."""
        finest = self._levels[0]

        def operator(x: torch.Tensor) -> torch.Tensor:
            image = np.zeros(x.shape, np.float32)
            _apply(x.numpy(), finest.matrix, image)
            return torch.from_numpy(image)

        solution = conjugate_gradients(
            operator,
            torch.from_numpy(np.pad(b, 1)),
            lambda r: torch.from_numpy(self._cycle(0, r.numpy())),
            tolerance=tolerance,
            max_iterations=max_iterations,
        )
        inner = solution.x[1:-1, 1:-1, 1:-1].contiguous()
        return CgSolution(inner, solution.n_iterations, solution.residual)

    def _cycle(self, number: int, b: Float) -> Float:
        level = self._levels[number]
        x = np.zeros_like(b)
        if number == len(self._levels) - 1:
            for _ in range(_SWEEPS):
                _sweep(x, b, level.matrix, 1)
                _sweep(x, b, level.matrix, -1)
            return x
        _sweep(x, b, level.matrix, 1)
        below = self._levels[number + 1]
        coarse = np.zeros(below.matrix[3].shape, np.float32)
        _restrict_residual(x, b, level.matrix, level.factors, coarse)
        correction = self._cycle(number + 1, coarse)
        if number > 0:
            rest = np.empty_like(coarse)
            _apply(correction, below.matrix, rest)
            correction += self._cycle(number + 1, coarse - rest)
        _add(x, correction * _ENLARGE, level.matrix[3], level.factors)
        _sweep(x, b, level.matrix, -1)
        return x


def _factors(shape: tuple[int, ...], sizes: Triple) -> _Factors:
    open_axes = [h for h, n in zip(sizes, shape, strict=True) if n > 3]
    longest = _RATIO * min(open_axes, default=0.0)
    x, y, z = (2 if n > 3 and h < longest else 1 for h, n in zip(sizes, shape, strict=True))
    return (x, y, z)


def _join(inside: NDArray[np.bool_], axis: int, weight: float) -> Float:
    joined = np.zeros(inside.shape, np.float32)
    low = (slice(None),) * axis + (slice(None, -1),)
    high = (slice(None),) * axis + (slice(1, None),)
    joined[low] = (inside[low] & inside[high]) * np.float32(weight)
    return joined


@compiled(nogil=True)
def _coarsen(matrix: _Matrix, factors: _Factors) -> _Matrix:
    jx, jy, jz, diagonal = matrix
    fx, fy, fz = factors
    nx, ny, nz = diagonal.shape
    shape = ((nx - 2 + fx - 1) // fx + 2, (ny - 2 + fy - 1) // fy + 2, (nz - 2 + fz - 1) // fz + 2)
    cx, cy, cz = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    d = np.zeros(shape, np.float32)
    for i in range(1, nx - 1):
        a = (i - 1) // fx + 1
        for j in range(1, ny - 1):
            b = (j - 1) // fy + 1
            for k in range(1, nz - 1):
                c = (k - 1) // fz + 1
                d[a, b, c] += diagonal[i, j, k]
                # A link inside a cell leaves its sum twice: once from either end.
                if i // fx + 1 != a:
                    cx[a, b, c] += jx[i, j, k]
                else:
                    d[a, b, c] -= 2 * jx[i, j, k]
                if j // fy + 1 != b:
                    cy[a, b, c] += jy[i, j, k]
                else:
                    d[a, b, c] -= 2 * jy[i, j, k]
                if k // fz + 1 != c:
                    cz[a, b, c] += jz[i, j, k]
                else:
                    d[a, b, c] -= 2 * jz[i, j, k]
    return cx, cy, cz, d


@compiled(nogil=True)
def _neighbours(x: Any, matrix: Any, at: tuple[int, int, int]) -> Any:
    jx, jy, jz, _ = matrix
    i, j, k = at
    return (
        jx[i, j, k] * x[i + 1, j, k]
        + jx[i - 1, j, k] * x[i - 1, j, k]
        + jy[i, j, k] * x[i, j + 1, k]
        + jy[i, j - 1, k] * x[i, j - 1, k]
        + jz[i, j, k] * x[i, j, k + 1]
        + jz[i, j, k - 1] * x[i, j, k - 1]
    )


@compiled(nogil=True)
def _sweep(x: Float, b: Float, matrix: _Matrix, way: int) -> None:
    """Gauss-Seidel once through all voxels, forwards (1) or backwards (-1)."""
    diagonal = matrix[3]
    nx, ny, nz = x.shape
    for p in range(1, nx - 1):
        i = p if way > 0 else nx - 1 - p
        for q in range(1, ny - 1):
            j = q if way > 0 else ny - 1 - q
            for r in range(1, nz - 1):
                k = r if way > 0 else nz - 1 - r
                if diagonal[i, j, k] > 0:
                    x[i, j, k] = (b[i, j, k] + _neighbours(x, matrix, (i, j, k))) / diagonal[i, j, k]


@compiled(nogil=True)
def _apply(x: Float, matrix: _Matrix, image: Float) -> None:
    diagonal = matrix[3]
    nx, ny, nz = x.shape
    image[:] = 0
    for i in range(1, nx - 1):
        for j in range(1, ny - 1):
            for k in range(1, nz - 1):
                if diagonal[i, j, k] > 0:
                    image[i, j, k] = diagonal[i, j, k] * x[i, j, k] - _neighbours(x, matrix, (i, j, k))


@compiled(nogil=True)
def _restrict_residual(x: Float, b: Float, matrix: _Matrix, factors: _Factors, coarse: Float) -> None:
    diagonal = matrix[3]
    fx, fy, fz = factors
    nx, ny, nz = x.shape
    for i in range(1, nx - 1):
        for j in range(1, ny - 1):
            for k in range(1, nz - 1):
                if diagonal[i, j, k] > 0:
                    residual = b[i, j, k] - diagonal[i, j, k] * x[i, j, k] + _neighbours(x, matrix, (i, j, k))
                    coarse[(i - 1) // fx + 1, (j - 1) // fy + 1, (k - 1) // fz + 1] += residual


@compiled(nogil=True)
def _add(x: Float, coarse: Float, diagonal: Float, factors: _Factors) -> None:
    fx, fy, fz = factors
    nx, ny, nz = x.shape
    for i in range(1, nx - 1):
        for j in range(1, ny - 1):
            for k in range(1, nz - 1):
                if diagonal[i, j, k] > 0:
                    x[i, j, k] += coarse[(i - 1) // fx + 1, (j - 1) // fy + 1, (k - 1) // fz + 1]


@compiled(nogil=True)
def _laplacian(x: Float, diagonal: Float, weights: Triple, b: Float) -> None:
    """-Laplacian of x, which has values around the domain too, on the domain."""
    wx, wy, wz = weights
    nx, ny, nz = x.shape
    for i in range(1, nx - 1):
        for j in range(1, ny - 1):
            for k in range(1, nz - 1):
                if diagonal[i, j, k] > 0:
                    here = 2.0 * x[i, j, k]
                    b[i, j, k] = (
                        wx * (here - x[i - 1, j, k] - x[i + 1, j, k])
                        + wy * (here - x[i, j - 1, k] - x[i, j + 1, k])
                        + wz * (here - x[i, j, k - 1] - x[i, j, k + 1])
                    )
