"""The head, turned, scaled, elastically deformed, and averaged over the voxels of a grid of its own.

Where a place of the sample comes from is `qsmbench.simulation.deformation`'s business. A voxel is the mean of trilinear
samples, spaced no wider than the source's own voxels, so that a coarse voxel averages what it covers.
"""

from dataclasses import dataclass
from math import ceil
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from qsmbench.core.compiled import compiled
from qsmbench.core.grid import Shape, Triple
from qsmbench.simulation.deformation import F64, Deformation, basis

F32: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class Window:
    """A box of voxels in the sample's space.

    Attributes:
        shape: number of voxels.
        voxel_size: mm.
        origin: place of the first voxel's lower corner in mm.
    """

    shape: Shape
    voxel_size: Triple
    origin: Triple


def stack_head(chi: F32, mask: NDArray[np.bool_]) -> F32:
    """Interleave chi (zeroed outside the mask) and the mask, with a border of one empty voxel.

    Returns:
        (x + 2, y + 2, z + 2, 2) float32.
    """
    nx, ny, nz = chi.shape
    stacked = np.zeros((nx + 2, ny + 2, nz + 2, 2), np.float32)
    inner = stacked[1:-1, 1:-1, 1:-1]
    np.multiply(chi, mask, out=inner[..., 0])
    inner[..., 1] = mask
    return stacked


def sampling(window: Window, pitch: float) -> tuple[NDArray[np.int64], F64, F64]:
    """How many samples a voxel takes along each axis, where the first lies (mm), and their distance (mm)."""
    # A tenth of tolerance: a voxel of 1.1 mm from a source of 1.0625 mm needs one sample, not two.
    n_sub = np.array([max(1, ceil(v / pitch - 0.1)) for v in window.voxel_size])
    step = np.array(window.voxel_size) / n_sub
    return n_sub, np.array(window.origin) + step / 2, step


def render(
    head: F32,
    head_voxel_size: Triple,
    centre: F64,
    deformation: Deformation,
    window: Window,
    *,
    pitch: float | None = None,
    skip: tuple[Shape, tuple[int, ...]] | None = None,
) -> tuple[F32, F32]:
    """Sample a deformed head on a window.

    Args:
        head: as made by :func:`stack_head`.
        head_voxel_size: mm.
        centre: index in ``head`` (with its border) of the origin of the head's coordinates.
        deformation: where each place comes from.
        window: voxels to fill.
        pitch: widest distance of samples within a voxel in mm; by default the head's smallest voxel edge.
        skip: first voxel and shape of a box of voxels to leave at zero.

    Returns:
        mean chi (ppm; outside the head counts as 0), and the share of the voxel inside the mask; float32.
    """
    n_sub, first, step = sampling(window, min(head_voxel_size) if pitch is None else pitch)
    to_index = np.linalg.inv(deformation.matrix) / np.array(head_voxel_size)[:, None]
    lattice = deformation.lattice
    if lattice is None:
        coefficients, low, spacing = np.zeros((4, 4, 4, 3)), 0.0, 1.0
    else:
        coefficients, low, spacing = lattice.coefficients, lattice.origin, lattice.spacing
    # The lattice carries displacements of the source index, so that the inner loop has no matrix product.
    shifts = _transform(coefficients, to_index)
    # A B-spline stays within its coefficients.
    reach = np.abs(shifts).max(axis=(0, 1, 2))
    chi = np.zeros(window.shape, np.float32)
    cover = np.zeros(window.shape, np.float32)
    skipped = np.zeros((2, 3), np.int64) if skip is None else np.array([skip[0], np.add(*skip)])
    _render(
        head,
        to_index,
        centre,
        shifts,
        low,
        spacing,
        lattice is not None,
        first,
        step,
        n_sub,
        reach,
        skipped,
        chi,
        cover,
    )
    return chi, cover


@compiled()
def _transform(coefficients: F64, matrix: F64) -> F64:
    out = np.empty_like(coefficients)
    nx, ny, nz, _ = coefficients.shape
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                x, y, z = coefficients[i, j, k, 0], coefficients[i, j, k, 1], coefficients[i, j, k, 2]
                for c in range(3):
                    out[i, j, k, c] = matrix[c, 0] * x + matrix[c, 1] * y + matrix[c, 2] * z
    return out


@compiled()
def _render(  # noqa: PLR0915, PLR0917 - one fused loop: split, it would write and read 10 volumes more
    head: F32,
    to_index: F64,
    centre: F64,
    shifts: F64,
    low: float,
    spacing: float,
    elastic: bool,
    first: F64,
    step: F64,
    n_sub: NDArray[np.int64],
    reach: F64,
    skipped: NDArray[np.int64],
    chi: F32,
    cover: F32,
) -> None:
    nx, ny, nz = chi.shape
    n = shifts.shape[0]
    sx, sy, sz = n_sub[0], n_sub[1], n_sub[2]
    top_x, top_y, top_z = head.shape[0] - 1.0, head.shape[1] - 1.0, head.shape[2] - 1.0
    reach_x, reach_y, reach_z = reach
    # Unsigned places in one long array: numba would test every signed index for being negative.
    flat = head.ravel()
    one, two, three = np.uint64(1), np.uint64(2), np.uint64(3)
    stride_x, stride_y = np.uint64(head.shape[1] * head.shape[2] * 2), np.uint64(head.shape[2] * 2)
    n_fine = nz * sz
    weight = np.float32(1.0 / (sx * sy * sz))
    column = np.zeros((n, 3))
    # Along z nothing but the line's start changes from column to column, so the spline's weights are tabulated once.
    cell = np.zeros(n_fine, np.int64)
    weights = np.zeros((n_fine, 4))
    owner = np.arange(n_fine) // sz
    k_low, k_high = n, -1
    for m in range(n_fine):
        g = (first[2] + m * step[2] - low) / spacing
        k = int(np.floor(g))
        if elastic and (k < 1 or k > n - 3):
            cell[m] = -1
            continue
        if elastic:
            cell[m] = k - 1
            k_low, k_high = min(k_low, k - 1), max(k_high, k + 2)
            w = basis(g - k)
            for c in range(4):
                weights[m, c] = w[c]
    dx, dy, dz = to_index[0, 2] * step[2], to_index[1, 2] * step[2], to_index[2, 2] * step[2]
    for i in range(nx * sx):
        x = first[0] + i * step[0]
        gx = (x - low) / spacing
        ix = int(np.floor(gx))
        if elastic and (ix < 1 or ix > n - 3):
            continue
        bx = basis(gx - ix)
        for j in range(ny * sy):
            y = first[1] + j * step[1]
            if elastic:
                gy = (y - low) / spacing
                iy = int(np.floor(gy))
                if iy < 1 or iy > n - 3:
                    continue
                by = basis(gy - iy)
                for k in range(k_low, k_high + 1):
                    u, v, w1 = 0.0, 0.0, 0.0
                    for a in range(4):
                        for b in range(4):
                            f = bx[a] * by[b]
                            u += f * shifts[ix + a - 1, iy + b - 1, k, 0]
                            v += f * shifts[ix + a - 1, iy + b - 1, k, 1]
                            w1 += f * shifts[ix + a - 1, iy + b - 1, k, 2]
                    column[k, 0], column[k, 1], column[k, 2] = u, v, w1
            x0 = to_index[0, 0] * x + to_index[0, 1] * y + to_index[0, 2] * first[2] + centre[0]
            y0 = to_index[1, 0] * x + to_index[1, 1] * y + to_index[1, 2] * first[2] + centre[1]
            z0 = to_index[2, 0] * x + to_index[2, 1] * y + to_index[2, 2] * first[2] + centre[2]
            oi, oj = i // sx, j // sy
            hole, hole_end = 0, 0
            if skipped[0, 0] <= oi < skipped[1, 0] and skipped[0, 1] <= oj < skipped[1, 1]:
                hole, hole_end = skipped[0, 2] * sz, skipped[1, 2] * sz
            # Beyond these places the line lies outside the head, whatever the displacement.
            m_low, m_high = 0, n_fine
            for start, slope, top, slack in (
                (x0, dx, top_x, reach_x),
                (y0, dy, top_y, reach_y),
                (z0, dz, top_z, reach_z),
            ):
                if abs(slope) > 1e-9:
                    enter, leave = (-slack - start) / slope, (top + slack - start) / slope
                    m_low = max(m_low, int(max(0.0, min(enter, leave))))
                    m_high = min(m_high, int(min(float(n_fine), max(-1.0, enter, leave))) + 1)
                elif not -slack <= start <= top + slack:
                    m_high = 0
            for m in range(m_low, m_high):
                if hole <= m < hole_end:
                    continue
                px, py, pz = x0 + m * dx, y0 + m * dy, z0 + m * dz
                if elastic:
                    k = cell[m]
                    if k < 0:
                        continue
                    for c in range(4):
                        f = weights[m, c]
                        px += f * column[k + c, 0]
                        py += f * column[k + c, 1]
                        pz += f * column[k + c, 2]
                if not (0.0 <= px < top_x and 0.0 <= py < top_y and 0.0 <= pz < top_z):
                    continue
                hx, hy, hz = np.uint64(px), np.uint64(py), np.uint64(pz)
                fx, fy, fz = np.float32(px - hx), np.float32(py - hy), np.float32(pz - hz)
                ex, ey, ez = np.float32(1.0) - fx, np.float32(1.0) - fy, np.float32(1.0) - fz
                w00, w01, w10, w11 = ex * ey, ex * fy, fx * ey, fx * fy
                a00 = hx * stride_x + hy * stride_y + hz * two
                a01, a10 = a00 + stride_y, a00 + stride_x
                a11 = a10 + stride_y
                inside = (
                    w00 * (ez * flat[a00 + one] + fz * flat[a00 + three])
                    + w01 * (ez * flat[a01 + one] + fz * flat[a01 + three])
                    + w10 * (ez * flat[a10 + one] + fz * flat[a10 + three])
                    + w11 * (ez * flat[a11 + one] + fz * flat[a11 + three])
                )
                if inside == 0.0:
                    continue
                value = (
                    w00 * (ez * flat[a00] + fz * flat[a00 + two])
                    + w01 * (ez * flat[a01] + fz * flat[a01 + two])
                    + w10 * (ez * flat[a10] + fz * flat[a10 + two])
                    + w11 * (ez * flat[a11] + fz * flat[a11 + two])
                )
                chi[oi, oj, owner[m]] += value * weight
                cover[oi, oj, owner[m]] += inside * weight
