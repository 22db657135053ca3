"""Bleedings and calcifications: bodies of constant chi, with soft edges and partial volume.

    chi' = (1 - f) chi + f chi_body,   f = mean over the voxel of clip(1/2 - d / edge, 0, 1),

with d the distance from the surface (negative inside) in mm: for a sharp edge f is the share of the voxel's volume that
the body fills. Voxels that the surface cannot reach are settled by one look, the others by a lattice of samples.
Kinds of bodies: Meta-QSM (Liu & Koch 2019, arXiv:1908.00206). The distances of sphere, box and cylinder are exact; the
ellipsoid's is k0 (k0 - 1) / k1 with k0 = |p / r|, k1 = |p / r^2|, exact at the surface to first order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, pi
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from qsmbench.core.compiled import compiled
from qsmbench.core.grid import Triple
from qsmbench.simulation.recipe import ShapeKind
from qsmbench.simulation.warp import Window

F32: TypeAlias = NDArray[np.float32]
F64: TypeAlias = NDArray[np.float64]

_CODES: dict[ShapeKind, int] = {"ellipsoid": 0, "sphere": 1, "cuboid": 2, "cylinder": 3}
# Samples of a cut voxel lie at most this far apart, so that half-millimetre and 4 mm edges are resolved alike.
_PITCH = 0.4
_MOST_SAMPLES = 8


@dataclass(frozen=True)
class Shape:
    """One body.

    Attributes:
        kind: of body.
        centre: mm, in the sample's space.
        half_axes: mm; a sphere uses the first, a cylinder's axis is its third and its radius the first.
        rotation: in degrees about x, then y, then z (fixed axes).
        chi: ppm.
        edge: width of the ramp across the surface in mm.
    """

    kind: ShapeKind
    centre: Triple
    half_axes: Triple
    rotation: Triple = (0.0, 0.0, 0.0)
    chi: float = 1.0
    edge: float = 0.0

    @property
    def volume(self) -> float:
        """Volume inside the surface in mm^3."""
        a, b, c = self.half_axes
        if self.kind == "ellipsoid":
            return 4 / 3 * pi * a * b * c
        if self.kind == "sphere":
            return 4 / 3 * pi * a**3
        return 8 * a * b * c if self.kind == "cuboid" else 2 * pi * a * a * c

    @property
    def radius(self) -> float:
        """Radius in mm of the ball around the centre that holds the body and its ramp."""
        a, b, c = self.half_axes
        if self.kind == "sphere":
            reach = a
        elif self.kind == "ellipsoid":
            reach = max(a, b, c)
        else:
            reach = float(np.hypot(np.hypot(a, b) if self.kind == "cuboid" else a, c))
        return reach + self.edge / 2 * (max(a, b, c) / min(a, b, c) if self.kind == "ellipsoid" else 1.0)


def paste(chi: F32, cover: F32 | NDArray[np.bool_], window: Window, shapes: Sequence[Shape]) -> None:
    """Replace the tissue by the bodies, in order and in place; their share outside the mask is left out.

    Args:
        chi: (x, y, z) ppm, changed.
        cover: share of each voxel that bodies may fill, or a mask.
        window: the voxels of ``chi``.
        shapes: what to paste.
    """
    for shape in shapes:
        placed = fraction(window, shape)
        if placed is None:
            continue
        where, share = placed
        chi[where] += share * (np.float32(shape.chi) * cover[where] - chi[where])


def fraction(window: Window, shape: Shape) -> tuple[tuple[slice, slice, slice], F32] | None:
    """The voxels of a window that a body touches, as slices, and its share of each; None where it touches none."""
    size, origin = np.array(window.voxel_size), np.array(window.origin)
    centre = np.array(shape.centre)
    low = np.maximum(np.floor((centre - shape.radius - origin) / size).astype(int), 0)
    high = np.minimum(np.ceil((centre + shape.radius - origin) / size).astype(int), window.shape)
    if (high <= low).any():
        return None
    n_sub = np.array([min(_MOST_SAMPLES, max(2, ceil(v / _PITCH))) for v in window.voxel_size])
    to_body = Rotation.from_euler("xyz", shape.rotation, degrees=True).as_matrix().T
    share = np.zeros(high - low, np.float32)
    corner = origin + low * size - centre
    _fill(share, corner, size, n_sub, to_body, _CODES[shape.kind], np.array(shape.half_axes), shape.edge)
    x, y, z = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return (x, y, z), share


@compiled()
def _distance(x: float, y: float, z: float, kind: int, axes: F64) -> float:
    if kind == 1:
        return float(np.sqrt(x * x + y * y + z * z) - axes[0])
    if kind == 0:
        u, v, w = x / axes[0], y / axes[1], z / axes[2]
        k0 = np.sqrt(u * u + v * v + w * w)
        u, v, w = u / axes[0], v / axes[1], w / axes[2]
        k1 = np.sqrt(u * u + v * v + w * w)
        if k1 == 0.0:
            return float(-min(axes[0], axes[1], axes[2]))
        return float(k0 * (k0 - 1.0) / k1)
    if kind == 2:
        u, v, w = abs(x) - axes[0], abs(y) - axes[1], abs(z) - axes[2]
    else:
        u, v, w = np.sqrt(x * x + y * y) - axes[0], abs(z) - axes[2], -1e30
    ou, ov, ow = max(u, 0.0), max(v, 0.0), max(w, 0.0)
    return float(np.sqrt(ou * ou + ov * ov + ow * ow) + min(max(u, v, w), 0.0))


@compiled()
def _ramp(d: float, edge: float) -> float:
    if edge <= 0.0:
        return 1.0 if d < 0.0 else 0.0
    return min(1.0, max(0.0, 0.5 - d / edge))


@compiled()
def _fill(  # noqa: PLR0917 - numba takes arrays, not objects
    share: F32, corner: F64, size: F64, n_sub: NDArray[np.int64], to_body: F64, kind: int, axes: F64, edge: float
) -> None:
    nx, ny, nz = share.shape
    reach = 0.5 * np.sqrt(size[0] ** 2 + size[1] ** 2 + size[2] ** 2) + 0.5 * edge
    # The ellipsoid's formula is off by at most the ratio of its axes, so its bound is widened by it.
    if kind == 0:
        reach *= max(axes[0], axes[1], axes[2]) / min(axes[0], axes[1], axes[2])
    n = n_sub[0] * n_sub[1] * n_sub[2]
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                cx, cy, cz = corner[0] + i * size[0], corner[1] + j * size[1], corner[2] + k * size[2]
                mx, my, mz = cx + 0.5 * size[0], cy + 0.5 * size[1], cz + 0.5 * size[2]
                d = _distance(
                    to_body[0, 0] * mx + to_body[0, 1] * my + to_body[0, 2] * mz,
                    to_body[1, 0] * mx + to_body[1, 1] * my + to_body[1, 2] * mz,
                    to_body[2, 0] * mx + to_body[2, 1] * my + to_body[2, 2] * mz,
                    kind,
                    axes,
                )
                if d > reach:
                    continue
                if d < -reach:
                    share[i, j, k] = 1.0
                    continue
                total = 0.0
                for a in range(n_sub[0]):
                    x = cx + (a + 0.5) * size[0] / n_sub[0]
                    for b in range(n_sub[1]):
                        y = cy + (b + 0.5) * size[1] / n_sub[1]
                        for c in range(n_sub[2]):
                            z = cz + (c + 0.5) * size[2] / n_sub[2]
                            total += _ramp(
                                _distance(
                                    to_body[0, 0] * x + to_body[0, 1] * y + to_body[0, 2] * z,
                                    to_body[1, 0] * x + to_body[1, 1] * y + to_body[1, 2] * z,
                                    to_body[2, 0] * x + to_body[2, 1] * y + to_body[2, 2] * z,
                                    kind,
                                    axes,
                                ),
                                edge,
                            )
                share[i, j, k] = total / n
