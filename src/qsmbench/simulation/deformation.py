"""Where each place of a sample comes from: a rotation, sizes and an elastic displacement of the head at rest.

Places are in mm from the head's centre, along the sample's voxel axes. A place p of the sample shows the place
R S s = p + u(p) of the head at rest, with R the rotation, S the sizes, and u the random displacement of Simard 2003
(doi 10.1109/ICDAR.2003.1227801), drawn on a lattice and interpolated by cubic B-splines,

    u(p) = sum_ijk c_ijk B(x/h - i) B(y/h - j) B(z/h - k)

(free-form deformation, Rueckert 1999, doi 10.1109/42.796284). |c| <= 0.4 h per component keeps p + u(p) injective
(Choi & Lee 2000, doi 10.1006/gmod.2000.0531).
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from qsmbench.core.compiled import compiled
from qsmbench.core.grid import Triple

F64: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Lattice:
    """A cubic B-spline displacement.

    Attributes:
        coefficients: (n, n, n, 3) displacements of the nodes in mm.
        spacing: distance of the nodes in mm; node (n - 1) / 2 lies at the head's centre.
    """

    coefficients: F64
    spacing: float

    @property
    def amplitude(self) -> float:
        """Largest coefficient as a share of the spacing."""
        largest = float(np.abs(self.coefficients).max())
        return largest / self.spacing

    @property
    def origin(self) -> float:
        """Place of the first node along each axis in mm."""
        return -self.spacing * (len(self.coefficients) - 1) / 2

    def displacement(self, points: F64) -> F64:
        """u at ``points`` (n, 3) in mm; zero outside the lattice."""
        displacement: F64 = _displacement(np.ascontiguousarray(points), self.coefficients, self.origin, self.spacing)
        return displacement


@dataclass(frozen=True, eq=False)
class Deformation:
    """Where each place of the sample comes from.

    Attributes:
        rotation: in degrees about x, then y, then z (fixed axes).
        size: factor on the head's extent along each of its own axes.
        lattice: the elastic displacement, or None.
    """

    rotation: Triple = (0.0, 0.0, 0.0)
    size: Triple = (1.0, 1.0, 1.0)
    lattice: Lattice | None = None

    @property
    def matrix(self) -> F64:
        """R S: from the head at rest to the sample, without the elastic part."""
        rotation: F64 = Rotation.from_euler("xyz", self.rotation, degrees=True).as_matrix()
        matrix: F64 = rotation * np.array(self.size)
        return matrix

    def forward(self, points: F64, n_iterations: int = 5) -> F64:
        """Where the places ``points`` (n, 3) of the head at rest lie in the sample, mm.

        Solves p + u(p) = R S s by fixed-point iteration, a contraction for the amplitudes a recipe allows.
        """
        # einsum and not a matrix product: the bits of BLAS may depend on its threads.
        target: F64 = np.einsum("nj,ij->ni", points, self.matrix)
        if self.lattice is None:
            return target
        moved = target
        for _ in range(n_iterations):
            moved = target - self.lattice.displacement(moved)
        return moved


@compiled()
def basis(t: float) -> tuple[float, float, float, float]:
    """The four cubic B-splines that are not zero at ``t`` between two nodes, 0 to 1."""
    s = 1.0 - t
    return (
        s * s * s / 6.0,
        (3.0 * t * t * t - 6.0 * t * t + 4.0) / 6.0,
        (3.0 * s * s * s - 6.0 * s * s + 4.0) / 6.0,
        t * t * t / 6.0,
    )


@compiled()
def _displacement(points: F64, coefficients: F64, low: float, spacing: float) -> F64:
    out = np.zeros((points.shape[0], 3))
    n = coefficients.shape[0]
    for m in range(points.shape[0]):
        gx, gy, gz = (points[m, 0] - low) / spacing, (points[m, 1] - low) / spacing, (points[m, 2] - low) / spacing
        ix, iy, iz = int(np.floor(gx)), int(np.floor(gy)), int(np.floor(gz))
        if min(ix, iy, iz) < 1 or max(ix, iy, iz) > n - 3:
            continue
        bx, by, bz = basis(gx - ix), basis(gy - iy), basis(gz - iz)
        for a in range(4):
            for b in range(4):
                for c in range(4):
                    w = bx[a] * by[b] * bz[c]
                    for d in range(3):
                        out[m, d] += w * coefficients[ix + a - 1, iy + b - 1, iz + c - 1, d]
    return out
