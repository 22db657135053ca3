import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.physics.dipole import dipole_kernel, forward_field
from qsmbench.physics.two_grid import _kernel, block_mean, free_space_field, periodic_field, upsample, window_field


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(((a - b) ** 2).mean().sqrt() / (b**2).mean().sqrt())


def lumps(shape: tuple[int, int, int], seed: int) -> torch.Tensor:
    """A textured body with strong small sources everywhere, with a net moment."""
    rng = np.random.default_rng(seed)
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    chi = 0.05 * rng.standard_normal(shape)
    for _ in range(12):
        i, j, k = (int(rng.integers(2, n - 5)) for n in shape)
        chi[i : i + 3, j : j + 3, k : k + 2] += rng.uniform(-1, 2)
    return torch.from_numpy(np.where(x**2 + y**2 + z**2 < 0.9, chi, 0).astype(np.float32))


@pytest.mark.parametrize("b0_dir", [(0.0, 0.0, 1.0), (0.36, -0.48, 0.8)])
@pytest.mark.parametrize("shape", [(12, 10, 8), (11, 9, 7)])
def test_plain_kernel_is_that_of_the_forward_model(shape, b0_dir):
    expected = dipole_kernel(shape, (0.7, 1.1, 2.3), b0_dir)
    torch.testing.assert_close(_kernel(shape, (0.7, 1.1, 2.3), b0_dir, 0.0, 0.0), expected, atol=1e-6, rtol=1e-6)


def test_free_space_is_the_limit_of_padding():
    """Ever larger padding converges on it."""
    chi, grid = lumps((30, 26, 20), 0), Grid((30, 26, 20), (1.0, 1.2, 2.5))
    free = free_space_field(chi, grid.voxel_size, grid.b0_dir, start=(0, 0, 0), shape=grid.shape)
    errors = [relative(forward_field(chi, grid, padding), free) for padding in (1.0, 2.0, 4.0, 8.0)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 0.05 and errors[-1] < 5e-4


def test_free_space_on_a_part_is_the_part():
    chi = lumps((24, 20, 16), 1)
    whole = free_space_field(chi, (1.0, 1.0, 2.0), (0.0, 0.0, 1.0), start=(0, 0, 0), shape=(24, 20, 16))
    part = free_space_field(chi, (1.0, 1.0, 2.0), (0.0, 0.0, 1.0), start=(8, 3, 2), shape=(6, 10, 9))
    assert relative(part, whole[8:14, 3:13, 2:11]) < 1e-3


def test_sphere():
    """Outside a sphere of radius a: chi a^3 (3 cos^2 - 1) / (3 r^3) (Jackson, Classical Electrodynamics, 5.10)."""
    n, a = 48, 8.0
    axis = torch.arange(n) - (n - 1) / 2
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    r2 = x**2 + y**2 + z**2
    chi = (r2 < a**2).float()
    field = free_space_field(chi, (1.0, 1.0, 1.0), (0.0, 0.0, 1.0), start=(0, 0, 0), shape=(n, n, n))
    volume = float(chi.sum())
    analytic = volume / (4 * np.pi) * (3 * z**2 / r2 - 1) / r2**1.5
    outside = r2 > (a + 4) ** 2
    assert relative(field[outside], analytic[outside]) < 0.01


def test_gaussian_sources_keep_the_far_field():
    chi = torch.zeros(40, 40, 40)
    chi[18:21, 19:22, 20:22] = 1.0
    box = {"start": (0, 0, 0), "shape": (40, 40, 40)}
    sharp = free_space_field(chi, (1.0, 1.0, 1.5), (0.0, 0.0, 1.0), **box)
    smooth = free_space_field(chi, (1.0, 1.0, 1.5), (0.0, 0.0, 1.0), sigma=1.05, **box)
    far = np.s_[:10]
    assert relative(smooth[far], sharp[far]) < 0.05
    assert relative(smooth, sharp) > 0.2


@pytest.mark.parametrize("b0_dir", [(0.0, 0.0, 1.0), (0.0, 1.0, 0.0)])
@pytest.mark.parametrize("factors", [(4, 4, 1), (3, 2, 2)])
def test_window_of_a_large_object(factors, b0_dir):
    """Strong sources on both sides of the rim and across it: inside the guard the field is the whole object's."""
    shape, voxel_size = (96, 96, 48), (1.0, 1.0, 2.0)
    rng = np.random.default_rng(2)
    chi = 0.2 * gaussian_filter(rng.standard_normal(shape), 1.0)
    for _ in range(40):
        i, j, k = (int(rng.integers(0, n - 10)) for n in shape)
        chi[i : i + 9, j : j + 8, k : k + 4] += rng.uniform(-1, 2)
    chi = torch.from_numpy(gaussian_filter(chi, 0.6).astype(np.float32))
    whole = free_space_field(chi, voxel_size, b0_dir, start=(0, 0, 0), shape=shape)
    coarse = block_mean(chi, factors)
    first = tuple(f * b for f, b in zip(factors, (4, 5, 3), strict=True))
    size = (60, 60, 30)
    box = tuple(slice(a, a + n) for a, n in zip(first, size, strict=True))
    field = window_field(chi[box], coarse, (4, 5, 3), factors=factors, voxel_size=voxel_size, b0_dir=b0_dir)
    inner = np.s_[14:-14, 14:-14, 7:-7]
    alone = periodic_field(chi[box].contiguous(), voxel_size, b0_dir)
    assert relative(field[inner], whole[box][inner]) < 0.005
    assert relative(alone[inner], whole[box][inner]) > 0.04


def test_own_blocks_of_the_surroundings_are_not_used():
    chi = lumps((48, 48, 24), 3)
    coarse = block_mean(chi, (4, 4, 2))
    args = {"factors": (4, 4, 2), "voxel_size": (1.0, 1.0, 2.0)}
    window = chi[8:40, 8:40, 4:20]
    one = window_field(window, coarse, (2, 2, 2), **args)
    coarse[2:10, 2:10, 2:10] = 99.0
    assert torch.equal(one, window_field(window, coarse, (2, 2, 2), **args))


def test_block_mean_and_its_limits():
    chi = torch.arange(2 * 4 * 6, dtype=torch.float32).reshape(2, 4, 6)
    expected = chi.reshape(1, 2, 2, 2, 2, 3).mean(dim=(1, 3, 5))
    torch.testing.assert_close(block_mean(chi, (2, 2, 3)), expected)
    assert block_mean(chi, (1, 1, 1)) is chi
    with pytest.raises(InputError, match="no multiple"):
        block_mean(chi, (2, 3, 3))


@pytest.mark.parametrize("factors", [(4, 3, 2), (1, 5, 6)])
def test_upsampling_reproduces_quadratics(factors):
    """Keys' kernel is exact for them away from the rim."""

    def quadratic(shape, scale):
        axes = [(torch.arange(n, dtype=torch.float64) + 0.5) * s for n, s in zip(shape, scale, strict=True)]
        x, y, z = torch.meshgrid(*axes, indexing="ij")
        return 0.3 * x**2 - 0.1 * x * y + 0.2 * z**2 + y - 1

    shape = (7, 8, 9)
    fine_shape = tuple(n * f for n, f in zip(shape, factors, strict=True))
    fine = upsample(quadratic(shape, [float(f) for f in factors]), factors)
    expected = quadratic(fine_shape, [1.0, 1.0, 1.0])
    # A block's centre lies at (f - 1) / 2 of its voxels, which the coordinates above share.
    inner = tuple(slice(2 * f, -2 * f) for f in factors)
    torch.testing.assert_close(fine[inner], expected[inner], atol=1e-9, rtol=1e-9)
