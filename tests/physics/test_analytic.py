"""The field of bodies whose field is known: a sphere and a long cylinder, oblique in an anisotropic grid.

Both come with partial volume (each voxel is the mean of 5x5x5 points). The Fourier solution of a sharp edge rings as a
Fourier series does at a jump: the ringing stays of the order of the jump beside the edge and decays with distance in
voxels, so errors are taken at a fixed distance in mm and must fall as the voxels shrink. At twice the resolution the
ringing at a fixed place falls by about two; a wrong constant would not fall at all.
"""

import numpy as np
import pytest
import torch

from qsmbench.core.grid import Grid
from qsmbench.physics.dipole import DipoleConvolution, dipole_kernel
from qsmbench.physics.fourier import FourierFilter

OBLIQUE = (0.31, -0.42, 0.85)
N_SUB = 5


def positions(grid, n_sub=1):
    """Coordinates in mm from the middle of the volume, ``n_sub`` points a voxel and axis."""
    axes = [
        ((np.arange(n * n_sub) + 0.5) / n_sub - n / 2) * v for n, v in zip(grid.shape, grid.voxel_size, strict=True)
    ]
    return list(np.meshgrid(*axes, indexing="ij", sparse=True))


def voxel_means(fine):
    for axis in range(3):
        if fine.shape[axis] > 1:
            voxels = (*fine.shape[:axis], -1, N_SUB, *fine.shape[axis + 1 :])
            fine = fine.reshape(voxels).mean(axis + 1)
    return fine


def rms(values):
    return float(np.sqrt(np.mean(np.square(values))))


class Sphere:
    """Radius 6.3 mm, 1 ppm, in a volume of about 30 x 31 x 32 mm; ``fine`` halves the voxels."""

    radius = 6.3

    def __init__(self, fine, b0_dir=OBLIQUE):
        s = 2 if fine else 1
        self.grid = Grid((30 * s, 25 * s, 16 * s), (1.0 / s, 1.25 / s, 2.0 / s), b0_dir)
        x, y, z = positions(self.grid, N_SUB)
        r2 = x**2 + y**2 + z**2
        inside = r2 < self.radius**2
        bx, by, bz = self.grid.b0_dir
        cos2 = (bx * x + by * y + bz * z) ** 2 / r2
        self.chi = voxel_means(inside.astype(float))
        # In the Lorentz-sphere convention a uniform sphere has no field inside.
        self.truth = voxel_means(np.where(inside, 0, (self.radius**2 / r2) ** 1.5 / 3 * (3 * cos2 - 1)))
        x, y, z = positions(self.grid)
        self.r = np.sqrt(x**2 + y**2 + z**2)
        self.field = DipoleConvolution(self.grid, 3, dtype=torch.float64)(torch.from_numpy(self.chi)).numpy()
        self.error = self.field - self.truth
        # Two of the largest coarse voxels from the edge.
        self.core, self.surround = self.r < self.radius - 4, self.r > self.radius + 4


@pytest.fixture(scope="module")
def spheres():
    return Sphere(fine=False), Sphere(fine=True)


def test_no_field_inside_a_sphere(spheres):
    # 1 ppm; without the Lorentz sphere's term it would be 0.67 ppm.
    coarse, fine = (rms(s.error[s.core]) for s in spheres)
    assert coarse < 0.012
    assert fine < 0.65 * coarse


def test_dipole_field_outside_a_sphere(spheres):
    # The field there is 0.02 ppm RMS; the rest that remains at 3x padding is wrap-around.
    coarse, fine = (rms(s.error[s.surround]) for s in spheres)
    assert rms(spheres[1].truth[spheres[1].surround]) > 0.015
    assert coarse < 0.0013
    assert fine < 0.65 * coarse


def test_strength_and_shape_of_the_outside_field(spheres):
    for sphere, tolerance in zip(spheres, (0.005, 0.002), strict=True):
        truth, field = sphere.truth[sphere.surround], sphere.field[sphere.surround]
        assert float(truth @ field / (truth @ truth)) == pytest.approx(1, abs=tolerance)
        assert float(np.corrcoef(truth, field)[0, 1]) > 0.997


def test_error_of_the_whole_volume_is_that_of_a_jump(spheres):
    # Squared, it is proportional to the volume of the edge's voxels: half the voxel, 1 / sqrt(2) of the error.
    coarse, fine = (rms(s.error) for s in spheres)
    assert fine / coarse == pytest.approx(0.5**0.5, rel=0.05)


@pytest.mark.parametrize("b0_dir", [(0, 0, 1), (0, 1, 0), (1, 0, 0)])
def test_signs_along_and_across_b0(b0_dir):
    sphere = Sphere(fine=False, b0_dir=b0_dir)
    middle = tuple(n // 2 for n in sphere.grid.shape)
    for axis in range(3):
        index = list(middle)
        index[axis] = 1
        # Paramagnetic: the field is raised at the poles and lowered at the equator.
        assert np.sign(sphere.field[tuple(index)]) == (1 if b0_dir[axis] else -1)
        assert sphere.field[tuple(index)] == pytest.approx(sphere.truth[tuple(index)], rel=0.1)


class Cylinder:
    """An endless cylinder along ``axis`` of the grid, oblique to B0: periodic along its axis, 1 ppm."""

    radius = 8.0

    def __init__(self, axis, fine):
        s = 2 if fine else 1
        order = {0: (2, 0, 1), 1: (1, 2, 0), 2: (0, 1, 2)}[axis]
        shape, voxel_size = (128 * s, 96 * s, 4), (0.8 / s, 1.1 / s, 2.0)
        self.grid = Grid(tuple(shape[i] for i in order), tuple(voxel_size[i] for i in order), OBLIQUE)
        along = np.zeros(3)
        along[axis] = 1
        b0 = np.array(self.grid.b0_dir)
        cos2_theta = float(along @ b0) ** 2
        across = b0 - (along @ b0) * along

        def parts(n_sub):
            points = positions(self.grid, n_sub)
            points[axis] = np.zeros((1, 1, 1))
            r2 = sum(p**2 for p in points)
            projected = sum(p * c for p, c in zip(points, across / np.linalg.norm(across), strict=True))
            return r2, 2 * projected**2 / r2 - 1

        r2, cos_2phi = parts(N_SUB)
        inside = r2 < self.radius**2
        self.chi = np.broadcast_to(voxel_means(inside.astype(float)), self.grid.shape).copy()
        self.inside_field = (3 * cos2_theta - 1) / 6
        outside_field = (1 - cos2_theta) / 2 * self.radius**2 / r2 * cos_2phi
        self.truth = np.broadcast_to(voxel_means(np.where(inside, self.inside_field, outside_field)), self.grid.shape)
        kernel = dipole_kernel(self.grid.shape, self.grid.voxel_size, self.grid.b0_dir, torch.float64)
        field = FourierFilter(kernel, self.grid.shape, self.grid.shape)(torch.from_numpy(self.chi)).numpy()
        # D(0) = 0 takes the mean out; the mean of the plane's field is that inside times the cylinder's share of it.
        self.field = field + self.chi.mean() * self.inside_field
        self.error = self.field - self.truth
        self.r = np.broadcast_to(np.sqrt(parts(1)[0]), self.grid.shape)
        self.core = self.r < self.radius - 4
        self.surround = (self.r > self.radius + 4) & (self.r < 2.5 * self.radius)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_long_cylinder_oblique_to_b0(axis):
    coarse, fine = Cylinder(axis, fine=False), Cylinder(axis, fine=True)
    sin2_theta = 1 - OBLIQUE[axis] ** 2 / float(np.square(OBLIQUE).sum())
    # Shares of the surface field: ringing near the edge, and further out the images of the neighbouring periods too.
    scale = sin2_theta / 2
    for cylinder, core, surround in ((coarse, 0.02, 0.005), (fine, 0.01, 0.0025)):
        assert rms(cylinder.error[cylinder.core]) < core * scale
        assert rms(cylinder.error[cylinder.surround]) < surround * scale
        truth, field = cylinder.truth[cylinder.surround], cylinder.field[cylinder.surround]
        assert float(truth @ field / (truth @ truth)) == pytest.approx(1, abs=0.01)
        assert float(cylinder.field[cylinder.core].mean()) == pytest.approx(cylinder.inside_field, abs=0.001)
    assert rms(fine.error[fine.core]) < 0.6 * rms(coarse.error[coarse.core])
