"""Fixtures that several test folders share."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from qsmbench.core.grid import Grid
from qsmbench.core.scan import Scan
from qsmbench.methods.checks import EXAMPLE_GRID, example, example_chi
from qsmbench.physics.dipole import forward_field


@pytest.fixture(autouse=True)
def one_thread():
    """Sums in torch depend on the number of threads; tests fix it as the command line does."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data that lies beside a developer's checkout."""
    path = Path(__file__).parents[2] / "shared" / "data"
    if not path.is_dir():
        pytest.skip(f"real data not beside the checkout ({path.parent.name}/{path.name} is absent)")
    return path


@pytest.fixture(scope="session")
def oblique_grid() -> Grid:
    """Non-cubic, anisotropic, odd and even sizes, B0 along no axis."""
    return EXAMPLE_GRID


@pytest.fixture(scope="session")
def small_chi() -> np.ndarray:
    """A smooth random susceptibility of about 0.05 ppm inside an ellipsoid of the oblique grid."""
    return example_chi()


@pytest.fixture(scope="session")
def small_scan() -> Scan:
    """What a method sees of ``small_chi``: its field with 1 ppb of noise, and a magnitude that shows its edges."""
    return example()


@pytest.fixture(scope="session")
def head(shared_data: Path):
    """Return a function (noise in ppm, coarse) -> scan of the 2016 COSMOS head and its chi, 160^3 or, coarse, 80^3."""
    folder = shared_data / "challenge2016"
    image = nib.load(folder / "chi_cosmos.nii.gz")
    mask = nib.load(folder / "mask.nii.gz").get_fdata() > 0
    chi = np.where(mask, image.get_fdata(dtype=np.float32), 0)

    def make(noise: float, coarse: bool = False) -> tuple[Scan, torch.Tensor]:
        step = 2 if coarse else 1
        inside, truth = mask[::step, ::step, ::step], torch.from_numpy(chi[::step, ::step, ::step].copy())
        affine = image.affine @ np.diag([step, step, step, 1])
        grid = Grid.from_affine(inside.shape, affine)
        field = forward_field(truth, grid, padding=2)
        field += noise * torch.from_numpy(np.random.default_rng(0).standard_normal(grid.shape, dtype=np.float32))
        return Scan(field, inside, grid, field_noise=np.full(grid.shape, noise, np.float32)), truth

    return make
