"""Fixtures that several test folders share."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from qsmbench.core.grid import Grid
from qsmbench.core.scan import Scan
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
    return Grid((30, 25, 18), (0.8, 1.0, 2.2), (0.31, -0.22, 0.92))


def ellipsoid(shape: tuple[int, int, int], fraction: float) -> np.ndarray:
    """A boolean ellipsoid that fills ``fraction`` of each axis."""
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    return sum((a / fraction) ** 2 for a in axes) < 1


@pytest.fixture(scope="session")
def small_chi(oblique_grid: Grid) -> np.ndarray:
    """A smooth random susceptibility of about 0.05 ppm inside an ellipsoid."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(5)
    chi = gaussian_filter(rng.standard_normal(oblique_grid.shape), 1.5)
    chi *= 0.05 / chi.std()
    return np.where(ellipsoid(oblique_grid.shape, 0.85), chi, 0).astype(np.float32)


@pytest.fixture(scope="session")
def small_scan(oblique_grid: Grid, small_chi: np.ndarray) -> Scan:
    """What a method sees of ``small_chi``: its field with 1 ppb of noise, and a magnitude that shows its edges."""
    mask = ellipsoid(oblique_grid.shape, 0.8)
    field = forward_field(torch.from_numpy(small_chi), oblique_grid).numpy()
    noise = np.random.default_rng(6).normal(scale=1e-3, size=field.shape)
    return Scan(
        local_field=(field + noise).astype(np.float32),
        mask=mask,
        grid=oblique_grid,
        magnitude=(1 + 4 * np.abs(small_chi)).astype(np.float32),
        field_noise=np.full(field.shape, 1e-3, np.float32),
        b0=3.0,
        echo_times=(0.005, 0.010, 0.015),
    )


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
