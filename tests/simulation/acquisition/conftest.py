import numpy as np
import pytest

from qsmbench.core.grid import Grid
from qsmbench.simulation.acquisition.cases import ScannedCase
from qsmbench.simulation.acquisition.head import map_head
from qsmbench.simulation.acquisition.protocol import RESEARCH
from qsmbench.simulation.acquisition.scan import simulate
from qsmbench.simulation.source import Source


def little_source(axes="RAS"):
    """A brain of 4 mm voxels: an ellipsoid of the template's size with one paramagnetic ball off its centre."""
    shape = (40, 48, 42)
    x, y, z = np.meshgrid(*[4.0 * (np.arange(n) - (n - 1) / 2) for n in shape], indexing="ij")
    mask = (x / 70) ** 2 + (y / 88) ** 2 + (z / 76) ** 2 < 1
    ball = (x - 30) ** 2 + (y - 20) ** 2 + (z - 10) ** 2 < 14**2
    chi = np.where(mask & ball, 0.2, 0.0).astype(np.float32)
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    if axes == "LPS":
        chi, mask = chi[::-1, ::-1], mask[::-1, ::-1]
        affine = np.diag([-4.0, -4.0, 4.0, 1.0])
    return Source(chi.copy(), mask.copy(), Grid.from_affine(shape, affine))


@pytest.fixture(scope="session", name="little_source")
def _little_source():
    return little_source


@pytest.fixture(scope="session")
def protocol():
    return RESEARCH.scaled((6.0, 6.0, 2.0))


@pytest.fixture(scope="session")
def little_head(protocol):
    return map_head(little_source(), protocol)


@pytest.fixture(scope="session")
def upright():
    """A case that keeps the head as it is."""
    return ScannedCase("upright", "for tests", size=(0.9, 0.9, 0.9), head_pose=(0.0, 0.0, 0.0))


@pytest.fixture(scope="session")
def quiet_scan(little_head, protocol, upright):
    return simulate(little_head, protocol, upright, np.random.default_rng(3), snr=0)
