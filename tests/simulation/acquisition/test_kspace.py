import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmbench.simulation.acquisition.kspace import acquire, window


@given(st.tuples(*[st.integers(4, 9)] * 3), st.tuples(*[st.integers(0, 7)] * 3), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_cropping_preserves_the_mean(shape, more, seed):
    fine = np.random.default_rng(seed).standard_normal([n + m for n, m in zip(shape, more, strict=True)])
    image = acquire(fine, shape)
    assert image.shape == shape
    assert image.mean() == pytest.approx(fine.mean(), abs=1e-5)


@given(st.integers(6, 40), st.floats(0.05, 0.9))
def test_window_is_even_and_passes_the_centre(n, taper):
    weight = window(n, taper)
    assert weight[0] == 1.0
    assert np.allclose(weight[1:], weight[1:][::-1])
    assert weight.min() >= 0
    if n % 2 == 0:
        assert weight[n // 2] == 0.0


def test_a_real_object_gives_a_real_image():
    fine = np.random.default_rng(0).standard_normal((18, 15, 24))
    image = acquire(fine, (12, 9, 6))
    assert np.abs(image.imag).max() < 1e-5


def test_a_wave_is_sampled_at_the_voxels_centres():
    # Three periods along each axis, well inside the window: the image shows the wave itself at its own voxels' centres.
    shape, fine = (20, 16, 18), (30, 40, 54)
    at = [(np.arange(n) + 0.5) / n for n in fine], [(np.arange(n) + 0.5) / n for n in shape]

    def wave(x, y, z):
        return np.cos(2 * np.pi * 3 * (x[:, None, None] + y[:, None] - z) + 0.4)

    assert np.allclose(acquire(wave(*at[0]), shape), wave(*at[1]), atol=1e-4)


def test_partial_volume_of_a_half_filled_voxel():
    fine = np.zeros((64, 64, 64))
    fine[:34] = 1.0
    image = acquire(fine, (16, 16, 16), taper=0.5).real
    profile = image[:, 8, 8]
    # 34 of 64 fine voxels: the edge lies in the middle of acquired voxel 8.
    assert profile[8] == pytest.approx(0.5, abs=0.02)
    assert profile[5] == pytest.approx(1.0, abs=0.07)
    assert profile[11] == pytest.approx(0.0, abs=0.07)
