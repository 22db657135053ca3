import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmbench.simulation.contrast import ContrastChange, apply_contrast

RNG = np.random.default_rng(2)
CHI = RNG.uniform(-0.2, 0.5, (12, 11, 10)).astype(np.float32)
MASK = RNG.random(CHI.shape) < 0.8
RANGE = (-0.2, 0.5)


def test_no_change_is_no_change():
    changed = apply_contrast(CHI, MASK, None, ContrastChange(), RANGE)
    np.testing.assert_allclose(changed, CHI * MASK, atol=1e-6)


def test_gain_and_offset_are_linear_inside_the_mask():
    changed = apply_contrast(CHI, MASK, None, ContrastChange(gain=1.4, offset=0.03), RANGE)
    np.testing.assert_allclose(changed, np.where(MASK, 1.4 * CHI + 0.03, 0), atol=1e-6)


@given(gamma=st.floats(0.5, 2.0), gain=st.floats(0.2, 2.0))
def test_gamma_rises_keeps_zero_and_the_width_of_the_range(gamma, gain):
    change = ContrastChange(gain, gamma)
    chi = np.linspace(-0.2, 0.5, 200)
    changed = change.curve(chi, -0.2, 0.5)
    assert (np.diff(changed) > 0).all()
    assert change.curve(np.zeros(1), -0.2, 0.5)[0] == pytest.approx(0, abs=1e-12)
    assert changed[-1] - changed[0] == pytest.approx(0.7 * gain)


def test_tabulated_curve_is_the_curve():
    change = ContrastChange(1.3, 0.7)
    changed = apply_contrast(CHI, MASK, None, change, RANGE)
    expected = change.curve(CHI.astype(float), *RANGE)
    np.testing.assert_allclose(changed[MASK], expected[MASK], atol=2e-5)


def test_every_tissue_has_its_own_change():
    labels = RNG.integers(-1, 4, CHI.shape).astype(np.int16)
    change = ContrastChange(tissue={-1: (2.0, 0.0), 3: (0.5, 0.1)})
    changed = apply_contrast(CHI, MASK, labels, change, RANGE)
    expected = np.where(labels == -1, 2 * CHI, np.where(labels == 3, 0.5 * CHI + 0.1, CHI))
    np.testing.assert_allclose(changed, np.where(MASK, expected, 0), atol=1e-6)
