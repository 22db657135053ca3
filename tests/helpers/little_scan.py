"""A ball of tissue as a scanner would image it, made by computer in a moment."""

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from qsmbench.core.grid import Grid
from qsmbench.core.units import ppm_to_rad
from qsmbench.physics.dipole import forward_field
from qsmbench.preparation.echoes import Echoes

TIMES = (0.005, 0.010, 0.015)


def little(times=TIMES, shape=(22, 24, 18), noise=0.01):
    """A ball with two spheres in it, voxels of 3 x 3 x 3.6 mm, oblique: echoes and mask."""
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("x", 14, degrees=True).as_matrix() @ np.diag([3.0, 3.0, 3.6])
    grid = Grid.from_affine(shape, affine)
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    mask = x**2 + y**2 + z**2 < 0.8
    chi = np.zeros(shape, np.float32)
    chi[(x - 0.3) ** 2 + y**2 + z**2 < 0.04] = 0.4
    chi[(x + 0.3) ** 2 + (y - 0.2) ** 2 + z**2 < 0.04] = -0.2
    field = forward_field(torch.from_numpy(chi), grid).numpy() + 0.15 * x + 0.1 * z
    signal = np.stack([mask * np.exp(-30 * t + 1j * (0.4 + ppm_to_rad(field, 3.0, t))) for t in times])
    rng = np.random.default_rng(3)
    signal += noise * (rng.standard_normal(signal.shape) + 1j * rng.standard_normal(signal.shape))
    echoes = Echoes(np.angle(signal).astype("f4"), np.abs(signal).astype("f4"), grid, tuple(times), 3.0, "scan")
    return echoes, mask
