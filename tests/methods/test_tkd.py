"""TKD and L2: closed forms checked against dense computations, and TKD's published figure on the COSMOS head."""

import nibabel as nib
import numpy as np
import pytest
import torch
from unplaced import invert_as_given

from qsmbench.core.grid import Grid
from qsmbench.core.scan import Scan
from qsmbench.methods.l2 import L2
from qsmbench.methods.tkd import TKD, psf_peak, truncated_inverse
from qsmbench.metrics.registry import score
from qsmbench.physics.dipole import DipoleConvolution, dipole_kernel, forward_field

GRID = Grid((12, 9, 10), (1.0, 0.8, 1.6), (0.2, -0.3, 0.9))
EVERYWHERE = np.ones(GRID.shape, bool)


@pytest.fixture
def chi():
    return torch.from_numpy(np.random.default_rng(0).normal(scale=0.1, size=GRID.shape).astype(np.float32))


def full_kernel(grid):
    """D on the whole k-space of the unpadded grid, by its definition (odd terms at Nyquist averaged to zero)."""
    k = np.meshgrid(*[np.fft.fftfreq(n, v) for n, v in zip(grid.shape, grid.voxel_size, strict=True)], indexing="ij")
    mirrored = [np.where(np.isclose(np.abs(ki), 0.5 / v), -ki, ki) for ki, v in zip(k, grid.voxel_size, strict=True)]
    k2 = sum(ki**2 for ki in k)
    k2[0, 0, 0] = 1
    # At a Nyquist plane the even part is the mean over the signs of that axis.
    total = np.zeros(grid.shape)
    for signs in np.ndindex(2, 2, 2):
        kb = sum((m if s else ki) * b for s, ki, m, b in zip(signs, k, mirrored, grid.b0_dir, strict=True))
        total += 1 / 3 - kb**2 / k2
    total /= 8
    total[0, 0, 0] = 0
    return total


@pytest.mark.parametrize("fill", ["sign", "zero"])
def test_tkd_is_division_by_the_truncated_kernel(chi, fill):
    field = forward_field(chi, GRID, padding=1)
    kernel = full_kernel(GRID)
    weak = np.abs(kernel) <= 0.2
    inverse = np.where(weak, np.sign(kernel) / 0.2 if fill == "sign" else 0, 1 / np.where(weak, 1, kernel))
    expected = np.fft.ifftn(np.fft.fftn(field.numpy()) * inverse).real
    estimate = invert_as_given(TKD(fill=fill, padding=1), Scan(local_field=field, mask=EVERYWHERE, grid=GRID)).numpy()
    np.testing.assert_allclose(estimate, expected, atol=2e-6)


def test_tkd_recovers_the_well_conditioned_part_exactly(chi):
    kernel = full_kernel(GRID)
    strong = np.fft.ifftn(np.fft.fftn(chi.numpy()) * (np.abs(kernel) > 0.25)).real.astype(np.float32)
    field = forward_field(torch.from_numpy(strong), GRID, padding=1)
    estimate = invert_as_given(TKD(padding=1), Scan(local_field=field, mask=EVERYWHERE, grid=GRID)).numpy()
    np.testing.assert_allclose(estimate, strong, atol=1e-6)


def test_psf_peak_is_what_a_point_comes_out_as():
    grid = Grid((16, 15, 14), (1.0, 0.8, 1.6), (0.2, -0.3, 0.9))
    point = torch.zeros(grid.shape)
    point[5, 6, 7] = 1
    field = forward_field(point, grid, padding=1)
    scan = Scan(local_field=field, mask=np.ones(grid.shape, bool), grid=grid)
    kernel = dipole_kernel(grid.shape, grid.voxel_size, grid.b0_dir)
    peak = psf_peak(kernel, truncated_inverse(kernel, 0.2), grid.shape)
    assert float(invert_as_given(TKD(padding=1), scan)[5, 6, 7]) == pytest.approx(peak, rel=1e-5)
    assert float(invert_as_given(TKD(padding=1, psf_correction=True), scan)[5, 6, 7]) == pytest.approx(1, rel=1e-5)
    assert 0.5 < peak < 1


def test_l2_is_the_minimiser_of_its_functional(chi):
    """At the minimum the gradient D(D chi - field) + lambda G'G chi vanishes."""
    field = forward_field(chi, GRID, padding=1)
    estimate = invert_as_given(L2(regularization=0.01, padding=1), Scan(local_field=field, mask=EVERYWHERE, grid=GRID))
    dipole = DipoleConvolution(GRID, 1, dtype=torch.float64)
    x = estimate.double()
    gradient = dipole(dipole(x) - field.double())
    for axis, h in enumerate(GRID.voxel_size):
        gradient += 0.01 * (2 * x - x.roll(1, axis) - x.roll(-1, axis)) / h**2
    scale = float(dipole(field.double()).abs().max())
    assert float((gradient - gradient.mean()).abs().max()) < 1e-5 * scale


def test_tkd_on_the_cosmos_head_has_the_known_error(shared_data):
    """RMSE 31.6 % without noise at threshold 0.20, as other implementations have (+- 0.5)."""
    image = nib.load(shared_data / "challenge2016" / "chi_cosmos.nii.gz")
    chi = image.get_fdata(dtype=np.float32)
    mask = nib.load(shared_data / "challenge2016" / "mask.nii.gz").get_fdata() > 0
    grid = Grid.from_affine(chi.shape, image.affine)
    field = forward_field(torch.from_numpy(chi), grid, padding=2)
    scan = Scan(local_field=field, mask=mask, grid=grid)
    errors = {
        name: score(method(scan).numpy(), chi, mask, grid.voxel_size, ["rmse"])["rmse"]
        for name, method in (("tkd", TKD(threshold=0.2)), ("l2", L2()))
    }
    assert errors["tkd"] == pytest.approx(31.6, abs=0.5)
    assert errors["l2"] < 30.5
