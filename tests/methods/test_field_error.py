"""The error of a field, from the field alone: right in size and by frequency, on any grid, signal or none."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from qsmbench.core.grid import Grid
from qsmbench.core.scan import Scan
from qsmbench.methods.field_error import field_error
from qsmbench.methods.spectra import Spectrum, shell_power, squared_frequencies
from qsmbench.physics.dipole import dipole_kernel, forward_field
from qsmbench.physics.fourier import rfftn

GRIDS = {
    "isotropic": Grid((48, 54, 44), (1.0, 1.0, 1.0)),
    "thick": Grid((48, 50, 20), (1.0, 1.0, 3.0), (0.1, 0.0, 0.99)),
    "oblique": Grid((44, 40, 36), (1.0, 1.3, 1.6), (0.5, -0.4, 0.77)),
    "sagittal": Grid((18, 50, 48), (3.0, 1.0, 1.0), (0.0, 0.2, 0.98)),
}


def head(grid):
    """Tissue with edges, of 0.015 ppm, and a bleed of 0.1 ppm; its field and mask."""
    rng = np.random.default_rng(4)
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in grid.shape], indexing="ij")
    mask = sum(a**2 for a in axes) < 0.8
    wide = [3 / v for v in grid.voxel_size]
    chi = 0.015 * np.sign(gaussian_filter(rng.standard_normal(grid.shape), wide)) * mask
    chi[sum(((a - 0.2) / 0.1) ** 2 for a in axes) < 1] = 0.1
    chi = torch.from_numpy(chi.astype(np.float32))
    return forward_field(chi, grid), torch.from_numpy(mask)


def coloured(grid, exponent, seed=0):
    """Noise whose amplitude falls as k^-exponent, 5 ppb at 0.2 /mm, and that amplitude as a function of k."""
    noise = np.random.default_rng(seed).standard_normal(grid.shape)
    x, y, z = squared_frequencies(grid.shape, grid.voxel_size)
    k = np.sqrt(x[:, None, None] + y[:, None] + z)

    def amplitude(k):
        return 0.005 * (np.maximum(k, 0.01) / 0.2) ** -exponent

    return torch.from_numpy(
        np.fft.irfftn(np.fft.rfftn(noise) * amplitude(k), s=grid.shape, axes=(0, 1, 2))
    ).float(), amplitude


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("exponent", [0.0, 1.3])
def test_the_spectrum_is_that_of_the_error_that_was_added(name, exponent):
    grid = GRIDS[name]
    field, mask = head(grid)
    noise, amplitude = coloured(grid, exponent)
    found = field_error(Scan(field + noise, mask, grid)).error
    for k in (0.1, 0.14, 0.2):
        assert np.sqrt(found.at(np.array(k))) == pytest.approx(amplitude(k), rel=0.6), k


@pytest.mark.parametrize("name", GRIDS)
def test_the_level_follows_the_noise_and_not_the_signal(name):
    grid = GRIDS[name]
    field, mask = head(grid)
    noise, _ = coloured(grid, 0.0)
    levels = [field_error(Scan(field + size * noise, mask, grid)).level for size in (0.0, 0.5, 2.0)]
    assert levels[0] < 0.6 * levels[1] < 0.3 * levels[2]
    assert levels[2] == pytest.approx(0.01, rel=0.15)


def test_it_scales_with_the_field():
    grid = GRIDS["oblique"]
    field, mask = head(grid)
    once, thrice = (field_error(Scan(factor * field, mask, grid)) for factor in (1, 3))
    assert thrice.level == pytest.approx(3 * once.level, rel=1e-3)
    np.testing.assert_allclose(thrice.signal.power, 9 * once.signal.power, rtol=1e-2)


def test_the_signal_is_that_of_the_map():
    grid = GRIDS["isotropic"]
    rng = np.random.default_rng(1)
    mask = torch.ones(grid.shape, dtype=torch.bool)
    chi = torch.from_numpy(gaussian_filter(0.5 * rng.standard_normal(grid.shape), 1.5).astype(np.float32))
    found = field_error(Scan(forward_field(chi, grid, 1.0), mask, grid)).signal
    kernel = dipole_kernel(grid.shape, grid.voxel_size)
    truth = shell_power(rfftn(chi, grid.shape), kernel, grid.shape, grid.voxel_size, chi.numel())
    known = truth.count[2] > 0
    for k in (0.08, 0.12):
        expected = Spectrum(truth.radii[known], truth.power[2][known]).at(np.array(k))
        assert found.at(np.array(k)) == pytest.approx(expected, rel=0.4)


@pytest.mark.parametrize("shape", [(5, 6, 7), (2, 2, 2), (1, 9, 8), (3, 40, 3)])
def test_small_volumes_have_a_level_too(shape):
    grid = Grid(shape, (1.0, 1.0, 2.0), (0.0, 0.6, 0.8))
    field = torch.from_numpy(0.01 * np.random.default_rng(0).standard_normal(shape).astype(np.float32))
    found = field_error(Scan(field, torch.ones(shape, dtype=torch.bool), grid))
    assert 0 < found.level < 0.1
    assert np.isfinite(found.signal.power).all()
    assert np.isfinite(found.error.power).all()


def test_no_field_has_the_least_level():
    grid = GRIDS["oblique"]
    _, mask = head(grid)
    found = field_error(Scan(torch.zeros(grid.shape), mask, grid))
    assert 0 < found.level < 1.01e-6


def test_a_spectrum_is_a_power_law_between_its_radii_and_the_same_as_a_volume():
    spectrum = Spectrum(np.array([0.1, 0.2]), np.array([4.0, 1.0]))
    np.testing.assert_allclose(spectrum.at(np.array([0.01, 0.1 * 2**0.5, 0.9])), [4, 2, 1])
    x, y, z = squared_frequencies((6, 7, 8), (1.0, 1.5, 2.0))
    k = np.sqrt(x[:, None, None] + y[:, None] + z)
    np.testing.assert_allclose(spectrum.volume((6, 7, 8), (1.0, 1.5, 2.0)).numpy(), spectrum.at(k), rtol=0.02)
