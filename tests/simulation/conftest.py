import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from qsmbench.core.grid import Grid
from qsmbench.simulation.recipe import Recipe
from qsmbench.simulation.source import Source


@pytest.fixture(scope="session")
def small_source() -> Source:
    """An egg of 140 x 160 x 130 mm at 3.2 mm with two tissues, smooth texture and a dense nucleus."""
    shape, voxel_size = (50, 56, 48), (3.2, 3.2, 3.2)
    x, y, z = np.meshgrid(
        *[(np.arange(n) - (n - 1) / 2) * v for n, v in zip(shape, voxel_size, strict=True)], indexing="ij"
    )
    mask = (x / 70) ** 2 + (y / 80) ** 2 + (z / 65) ** 2 < 1
    rng = np.random.default_rng(3)
    chi = 0.02 * gaussian_filter(rng.standard_normal(shape), 1.2) / 0.1
    nucleus = (x - 25) ** 2 + y**2 + z**2 < 15**2
    chi[nucleus] += 0.15
    labels = np.where(nucleus, 7, 2)
    return Source(np.where(mask, chi, 0).astype(np.float32), mask, Grid(shape, voxel_size), np.where(mask, labels, 0))


@pytest.fixture(scope="session")
def small_recipe() -> Recipe:
    """The default recipe on voxels three times as large, so that a sample takes milliseconds."""
    return Recipe.model_validate(
        {
            "shape": (40, 40, 24),
            "voxel_size": {"min": (1.5, 1.5, 4.0), "max": (3.0, 3.0, 8.0)},
            "shapes": {"size": (4.0, 15.0)},
        }
    )
