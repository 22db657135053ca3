"""A small head as a scanner would see it, in arrays and as a BIDS dataset."""

import numpy as np
import pytest
import torch
from little_bids import write_bids

from qsmbench.core.grid import Grid
from qsmbench.core.units import ppm_to_rad
from qsmbench.physics.dipole import forward_field
from qsmbench.preparation.echoes import Echoes

B0 = 3.0
TIMES = (0.0104, 0.0174, 0.0244, 0.0314)


class Head:
    """Truth and signal: a ball-like brain with paramagnetic spheres, a strong source below it, an offset phase."""

    def __init__(self, shape=(56, 64, 40), voxel_size=(2.0, 2.0, 3.0), b0_dir=(0.0, 0.0, 1.0)):
        self.grid = Grid(shape, voxel_size, b0_dir)
        x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
        self.mask = (x / 0.8) ** 2 + (y / 0.8) ** 2 + (z / 0.8) ** 2 < 1
        chi = np.zeros(shape, np.float32)
        for cx, cy, cz, r in ((0.3, 0.1, 0.0, 0.15), (-0.3, 0.2, 0.2, 0.12), (0.0, -0.4, -0.1, 0.1)):
            chi[(x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2 < r**2] = 0.3
        self.chi = chi
        outside = np.zeros(shape, np.float32)
        outside[(x**2 + (y - 0.5) ** 2 + (z + 0.9) ** 2 < 0.15**2) & ~self.mask] = 9.4
        self.local_field = forward_field(torch.from_numpy(chi), self.grid).numpy()
        background = forward_field(torch.from_numpy(outside), self.grid).numpy() + 0.8 * x - 0.5 * y * z
        field = self.local_field + background
        self.total_field = (field - np.median(field[self.mask])).astype(np.float32)
        self.offset = 0.9 * x + 0.7 * y * z + 0.4
        self.r2star = 20 + 10 * y
        self.proton = np.where(self.mask, 1 + 0.2 * z, 0)

    def magnitude(self, times):
        return np.stack([self.proton * np.exp(-self.r2star * t) for t in times])

    def echoes(self, times=TIMES, noise=0.0, seed=0):
        phase = np.stack([self.offset + ppm_to_rad(self.total_field, B0, t) for t in times])
        signal = self.magnitude(times) * np.exp(1j * phase)
        rng = np.random.default_rng(seed)
        signal = signal + noise * (rng.standard_normal(signal.shape) + 1j * rng.standard_normal(signal.shape))
        return Echoes(
            np.angle(signal).astype(np.float32), np.abs(signal).astype(np.float32), self.grid, tuple(times), B0, "head"
        )


@pytest.fixture(scope="session")
def head():
    return Head()


@pytest.fixture(scope="session")
def noisy(head):
    return head.echoes(noise=0.02)


@pytest.fixture
def bids_dir(tmp_path, noisy):
    return write_bids(tmp_path / "raw", noisy)
