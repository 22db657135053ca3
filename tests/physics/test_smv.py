"""The spherical mean against a plain convolution and against harmonic functions."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import convolve

from qsmbench.core.errors import InputError
from qsmbench.physics.fourier import FourierFilter
from qsmbench.physics.smv import sphere_mean, sphere_offsets, sphere_weights


@settings(max_examples=15, deadline=None)
@given(
    shape=st.tuples(*[st.integers(9, 16)] * 3),
    voxel_size=st.tuples(*[st.sampled_from([0.8, 1.0, 1.7])] * 3),
    radius=st.floats(0, 3),
)
def test_it_is_the_mean_over_the_sphere(shape, voxel_size, radius):
    x = np.random.default_rng(0).standard_normal(shape)
    inside = sphere_offsets(voxel_size, radius)
    expected = convolve(x, inside / inside.sum(), mode="wrap")
    h = sphere_mean(shape, voxel_size, radius)
    found = FourierFilter(h, shape, shape)(torch.from_numpy(x))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert h.dtype == torch.float32
    assert float(h[0, 0, 0]) == pytest.approx(1)


def test_a_harmonic_function_is_unchanged():
    x, y, z = np.meshgrid(*[np.arange(-12, 13, dtype=float)] * 3, indexing="ij")
    harmonic = torch.from_numpy(x**2 + y**2 - 2 * z**2 + 3 * x * y - 5 * z)
    mean = FourierFilter(sphere_mean((25, 25, 25), (1.0, 1.0, 1.0), 4.0), (25, 25, 25), (25, 25, 25))(harmonic)
    inner = np.s_[4:-4, 4:-4, 4:-4]
    np.testing.assert_allclose(mean[inner], harmonic[inner], atol=2e-4)


@pytest.mark.parametrize("voxel_size", [(0.5, 0.5, 2.0), (1.25, 1.25, 3.0)])
def test_balanced_weights_leave_a_harmonic_function_unchanged_on_long_voxels(voxel_size):
    shape = (41, 41, 17)
    x, y, z = np.meshgrid(*[(np.arange(n) - n // 2) * v for n, v in zip(shape, voxel_size, strict=True)], indexing="ij")
    harmonic = torch.from_numpy(x**2 + y**2 - 2 * z**2 + 3 * x * y - 5 * z)
    inner = (np.s_[20], np.s_[20], np.s_[8])
    error = {}
    for balanced in (False, True):
        mean = FourierFilter(sphere_mean(shape, voxel_size, 6.0, balanced), shape, shape)(harmonic)
        error[balanced] = abs(float(mean[inner] - harmonic[inner]))
    assert error[True] < 1e-3
    assert error[False] > 1.0


def test_weights_stay_equal_where_a_sphere_cannot_be_balanced():
    one_slice = sphere_weights((1.0, 1.0, 5.0), 3.0, balanced=True)
    assert np.array_equal(one_slice, sphere_weights((1.0, 1.0, 5.0), 3.0))
    cube = sphere_weights((1.0, 1.0, 1.0), 4.0, balanced=True)
    np.testing.assert_allclose(cube, sphere_weights((1.0, 1.0, 1.0), 4.0), atol=1e-12)
    assert np.all(sphere_weights((0.5, 0.5, 2.0), 6.0, balanced=True) >= 0)


def test_a_voxel_on_the_sphere_belongs_to_it():
    assert sphere_offsets((0.1, 0.1, 0.1), 0.3).shape == (7, 7, 7)


def test_a_sphere_that_does_not_fit_is_refused():
    with pytest.raises(InputError, match=r"sphere of 5 mm spans \(11, 11, 11\) voxels"):
        sphere_mean((8, 16, 16), (1.0, 1.0, 1.0), 5.0)
    with pytest.raises(InputError, match="radius must be at least 0"):
        sphere_mean((8, 8, 8), (1.0, 1.0, 1.0), -1.0)
