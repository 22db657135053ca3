import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmbench.core.errors import InputError
from qsmbench.preparation.phase_units import to_radians


def full_phase(n=4000):
    phase = np.random.default_rng(1).uniform(-np.pi, np.pi, n)
    phase[:2] = -np.pi, np.pi
    return phase.reshape(2, 20, 10, -1).astype(np.float32)


def apart(a, b):
    return np.abs(np.angle(np.exp(1j * (a.astype(np.float64) - b)))).max()


@given(st.floats(-6, 8).map(lambda e: 10.0**e))
def test_any_symmetric_linear_scale(scale):
    phase = full_phase()
    stored = (phase * scale).astype(np.float32)
    found, said = to_radians(stored, "auto", "scan")
    if "radians by their range" not in said:
        assert apart(found, phase) < 1e-4


@pytest.mark.parametrize(
    ("store", "said"),
    [
        (lambda p: p, "radians by their range (-3.14159 to 3.14159)"),
        (lambda p: np.round(p * 4096 / np.pi).clip(-4096, 4094), "integers of -4096 to 4096"),
        (lambda p: np.round((p + np.pi) * 2048 / np.pi).clip(0, 4095), "integers of 0 to 4095"),
        (lambda p: np.round(1000 * p), "a linear scale, 3142 being pi"),
        (lambda p: p * 0.0037 / np.pi, "a linear scale, 0.0037 being pi"),
        (lambda p: p * 180 / np.pi, "a linear scale, 180 being pi"),
        (lambda p: np.where(p < 0, p + 2 * np.pi, p), "radians by their range (0"),
        (lambda p: (p + np.pi) / (2 * np.pi), "a linear scale, 1 being 2 pi"),
    ],
)
def test_the_scales_in_use(store, said):
    phase = full_phase()
    found, what = to_radians(store(phase).astype(np.float32), "auto", "scan")
    assert said in what
    assert apart(found, phase) < 2 * np.pi / 4096 * 1.5
    assert found.dtype == np.float32


def test_a_lopsided_range_is_said():
    stored = full_phase() * 100
    stored[stored < -150] = -150
    assert "lopsided" in to_radians(stored, "auto", "scan")[1]


def test_radians_by_decree_are_left_alone():
    unwrapped = full_phase() * 5
    found, said = to_radians(unwrapped, "rad", "scan")
    np.testing.assert_array_equal(found, unwrapped)
    assert "taken as radians" in said
    with pytest.raises(InputError, match="said to be in rad, but goes from -4096"):
        to_radians(np.array([[-4096.0, 4095.0]], np.float32), "rad", "scan")


def test_constant_phase_is_refused():
    with pytest.raises(InputError, match="scan: the phase is 0 everywhere"):
        to_radians(np.zeros((1, 3, 3, 3), np.float32), "auto", "scan")
