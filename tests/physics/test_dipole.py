"""The dipole convolution by its properties: what any correct one must do, on any grid."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmbench.core.grid import Grid
from qsmbench.physics.dipole import DEFAULT_PADDING, DipoleConvolution, dipole_kernel, forward_field

fixed = settings(derandomize=True, database=None, deadline=None, max_examples=60)
lengths = st.integers(1, 10)
edges = st.floats(0.3, 4)
directions = st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda b: np.linalg.norm(b) > 0.1)
grids = st.builds(Grid, st.tuples(lengths, lengths, lengths), st.tuples(edges, edges, edges), directions)
paddings = st.sampled_from([1, 1.3, 2])

OBLIQUE = (0.31, -0.42, 0.85)


def noise(shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def exact(grid, padding=DEFAULT_PADDING):
    return DipoleConvolution(grid, padding, dtype=torch.float64)


def full_kernel(shape, voxel_size, b0_dir):
    """D on the full spectrum, frequency by frequency; a Nyquist sample is the mean over both of its frequencies."""
    b0_dir = np.asarray(b0_dir) / np.linalg.norm(b0_dir)
    kernel = np.zeros(shape)
    for signs in product((-1, 1), repeat=3):
        axes = []
        for n, v, sign in zip(shape, voxel_size, signs, strict=True):
            frequency = np.fft.fftfreq(n, v)
            if n % 2 == 0:
                frequency[n // 2] *= sign
            axes.append(frequency)
        k = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
        k2 = (k**2).sum(-1)
        k2[0, 0, 0] = 1
        d = 1 / 3 - (k @ b0_dir) ** 2 / k2
        d[0, 0, 0] = 0
        kernel += d / 8
    return kernel


def convolved_by_numpy(x, kernel):
    """Pad, transform all, multiply, transform back, crop; also how far from real the result was."""
    padding = [(0, p - n) for n, p in zip(x.shape, kernel.shape, strict=True)]
    filtered = np.fft.ifftn(kernel * np.fft.fftn(np.pad(x, padding)))
    crop = tuple(slice(n) for n in x.shape)
    return filtered.real[crop], float(np.abs(filtered.imag).max())


@given(grids)
@fixed
def test_half_spectrum_is_half_of_an_even_full_one(grid):
    whole = full_kernel(grid.shape, grid.voxel_size, grid.b0_dir)
    half = dipole_kernel(grid.shape, grid.voxel_size, grid.b0_dir, torch.float64).numpy()
    assert half.shape == (*grid.shape[:2], grid.shape[2] // 2 + 1)
    np.testing.assert_allclose(half, whole[:, :, : half.shape[2]], atol=1e-14)
    negated = np.roll(whole[::-1, ::-1, ::-1], (1, 1, 1), (0, 1, 2))
    np.testing.assert_allclose(whole, negated, atol=1e-14)


@given(grids)
@fixed
def test_kernel_lies_in_its_range_and_vanishes_at_the_origin(grid):
    kernel = dipole_kernel(grid.shape, grid.voxel_size, grid.b0_dir, torch.float64)
    assert float(kernel[0, 0, 0]) == 0
    assert float(kernel.min()) >= -2 / 3 - 1e-12
    assert float(kernel.max()) <= 1 / 3 + 1e-12


@given(grids, paddings)
@fixed
def test_equals_the_plain_full_transform_and_is_real(grid, padding):
    x, operator = noise(grid.shape), exact(grid, padding)
    wanted, imaginary = convolved_by_numpy(x.numpy(), full_kernel(operator.padded, grid.voxel_size, grid.b0_dir))
    assert imaginary < 1e-13
    np.testing.assert_allclose(operator(x).numpy(), wanted, atol=1e-12)
    in_single = DipoleConvolution(grid, padding)(x.float())
    np.testing.assert_allclose(in_single.numpy(), wanted, atol=1e-6 * max(1, np.abs(wanted).max()))


def test_without_nyquist_samples_the_textbook_kernel_needs_no_rule():
    grid = Grid((9, 7, 5), (0.8, 1.0, 2.2), OBLIQUE)
    k = np.stack(np.meshgrid(*[np.fft.fftfreq(n, v) for n, v in zip(grid.shape, grid.voxel_size, strict=True)],
                             indexing="ij"), -1)  # fmt: skip
    with np.errstate(invalid="ignore"):
        textbook = 1 / 3 - (k @ grid.b0_dir) ** 2 / (k**2).sum(-1)
    textbook[0, 0, 0] = 0
    x = noise(grid.shape)
    wanted, imaginary = convolved_by_numpy(x.numpy(), textbook)
    assert imaginary < 1e-14
    np.testing.assert_allclose(exact(grid, 1)(x).numpy(), wanted, atol=1e-13)


def test_with_them_the_textbook_kernel_is_not_even_and_ours_is_its_even_part():
    grid = Grid((8, 7, 5), (0.8, 1.0, 2.2), OBLIQUE)
    k = np.stack(np.meshgrid(*[np.fft.fftfreq(n, v) for n, v in zip(grid.shape, grid.voxel_size, strict=True)],
                             indexing="ij"), -1)  # fmt: skip
    with np.errstate(invalid="ignore"):
        textbook = 1 / 3 - (k @ grid.b0_dir) ** 2 / (k**2).sum(-1)
    textbook[0, 0, 0] = 0
    x = noise(grid.shape)
    real_part, imaginary = convolved_by_numpy(x.numpy(), textbook)
    assert imaginary > 1e-3
    np.testing.assert_allclose(exact(grid, 1)(x).numpy(), real_part, atol=1e-13)


@given(grids, paddings)
@fixed
def test_self_adjoint(grid, padding):
    operator = exact(grid, padding)
    x, y = noise(grid.shape, 1), noise(grid.shape, 2)
    scale = float(x.norm() * y.norm())
    assert abs(float((operator(x) * y).sum() - (x * operator(y)).sum())) <= 1e-12 * scale


@given(grids, paddings, st.floats(-3, 3), st.floats(-3, 3))
@fixed
def test_linear(grid, padding, a, b):
    operator = exact(grid, padding)
    x, y = noise(grid.shape, 1), noise(grid.shape, 2)
    torch.testing.assert_close(operator(a * x + b * y), a * operator(x) + b * operator(y), atol=1e-12, rtol=0)


@given(grids, paddings)
@fixed
def test_never_amplifies_by_more_than_two_thirds(grid, padding):
    x = noise(grid.shape)
    assert float(exact(grid, padding)(x).norm()) <= 2 / 3 * float(x.norm()) + 1e-12


@given(grids, paddings, st.permutations(range(3)))
@fixed
def test_permuted_axes_and_b0_together_change_nothing(grid, padding, axes):
    x = noise(grid.shape)
    there = exact(grid.permuted(axes), padding)(x.permute(*axes))
    torch.testing.assert_close(there, exact(grid, padding)(x).permute(*axes), atol=1e-12, rtol=0)


@given(grids, paddings, st.tuples(*[st.booleans()] * 3))
@fixed
def test_flipped_axes_and_b0_together_change_nothing(grid, padding, flips):
    axes = [axis for axis in range(3) if flips[axis]]
    b0_dir = tuple(-b if flip else b for b, flip in zip(grid.b0_dir, flips, strict=True))
    x = noise(grid.shape)
    there = exact(Grid(grid.shape, grid.voxel_size, b0_dir), padding)(x.flip(axes))
    torch.testing.assert_close(there, exact(grid, padding)(x).flip(axes), atol=1e-12, rtol=0)


@given(grids, paddings)
@fixed
def test_quarter_turn_about_z_with_b0(grid, padding):
    bx, by, bz = grid.b0_dir
    (nx, ny, nz), (vx, vy, vz) = grid.shape, grid.voxel_size
    turned = Grid((ny, nx, nz), (vy, vx, vz), (-by, bx, bz))
    x = noise(grid.shape)
    there = exact(turned, padding)(torch.rot90(x, 1, (0, 1)))
    torch.testing.assert_close(there, torch.rot90(exact(grid, padding)(x), 1, (0, 1)), atol=1e-12, rtol=0)


@given(grids, paddings)
@fixed
def test_b0_up_or_down_is_the_same(grid, padding):
    x = noise(grid.shape)
    down = Grid(grid.shape, grid.voxel_size, tuple(-b for b in grid.b0_dir))
    assert torch.equal(exact(grid, padding)(x), exact(down, padding)(x))


def test_only_the_ratio_of_lengths_matters():
    small, large = Grid((8, 6, 5), (0.5, 0.6, 2.0), OBLIQUE), Grid((8, 6, 5), (1.0, 1.2, 4.0), OBLIQUE)
    x = noise((8, 6, 5))
    torch.testing.assert_close(exact(small)(x), exact(large)(x), atol=1e-13, rtol=0)


def test_a_shifted_source_has_a_shifted_field():
    # Without padding the shift is cyclic and exact.
    grid, x = Grid((8, 7, 6), (0.8, 1.0, 2.2), OBLIQUE), noise((8, 7, 6))
    shift, dims = (3, 2, 4), (0, 1, 2)
    rolled = exact(grid, 1)(x.roll(shift, dims))
    torch.testing.assert_close(rolled, exact(grid, 1)(x).roll(shift, dims), atol=1e-13, rtol=0)


@pytest.mark.parametrize("padding", [1, 2])
def test_gradient_is_the_derivative(padding):
    operator = exact(Grid((3, 4, 2), (0.8, 1.0, 2.2), OBLIQUE), padding)
    x = noise((2, 3, 4, 2)).requires_grad_()
    assert torch.autograd.gradcheck(operator, (x,))


def test_second_derivatives_too():
    operator = exact(Grid((3, 4, 2), (0.8, 1.0, 2.2), OBLIQUE))
    x = noise((3, 4, 2)).requires_grad_()
    assert torch.autograd.gradgradcheck(operator, (x,))


def test_gradient_of_a_data_term_is_the_adjoint_of_the_residual(oblique_grid):
    operator = exact(oblique_grid)
    chi, field = noise(oblique_grid.shape, 1).requires_grad_(), noise(oblique_grid.shape, 2)
    (0.5 * (operator(chi) - field).square().sum()).backward()
    residual = (operator(chi) - field).detach()
    torch.testing.assert_close(chi.grad, operator(residual), atol=1e-12, rtol=0)


def test_forward_field_is_the_convolution_with_the_default_padding(oblique_grid, small_chi):
    chi = torch.from_numpy(small_chi)
    field = forward_field(chi, oblique_grid)
    assert field.dtype == torch.float32
    assert torch.equal(field, DipoleConvolution(oblique_grid, DEFAULT_PADDING)(chi))
    assert not torch.equal(field, forward_field(chi, oblique_grid, padding=1))


@pytest.mark.parametrize("dtype", [torch.int32, torch.bool, torch.float16])
def test_chi_of_another_type_is_not_silently_nothing(dtype):
    # A label map is a source as good as any: two labels, one field.
    grid = Grid((8, 7, 6), (0.8, 1.0, 2.2), OBLIQUE)
    chi = (noise(grid.shape) > 0.5).to(dtype)
    torch.testing.assert_close(forward_field(chi, grid).float(), forward_field(chi.float(), grid), atol=1e-3, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_same_bits_for_any_number_of_threads(oblique_grid, small_chi, dtype):
    chi, fields = torch.from_numpy(small_chi).to(dtype), []
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        fields.append(forward_field(chi, oblique_grid))
    assert torch.equal(*fields)


def test_wrap_around_falls_with_padding(oblique_grid, small_chi):
    chi = torch.from_numpy(small_chi).double()
    reference = exact(oblique_grid, 5)(chi)
    errors = [float((exact(oblique_grid, p)(chi) - reference).norm() / reference.norm()) for p in (1, 1.5, 2, 3)]
    assert errors == sorted(errors, reverse=True)
    assert errors[2] < 0.1 * errors[0]
