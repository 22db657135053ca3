import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmbench.preparation.unwrap import unwrap, wrap


@settings(max_examples=15, deadline=None)
@given(
    shape=st.tuples(*[st.integers(6, 14)] * 3),
    slopes=st.tuples(*[st.floats(-2.0, 2.0)] * 3),
    method=st.sampled_from(["path", "laplacian"]),
)
def test_a_ramp_is_unwrapped_up_to_whole_turns(shape, slopes, method):
    axes = np.meshgrid(*[np.arange(n) for n in shape], indexing="ij")
    truth = sum(s * a for s, a in zip(slopes, axes, strict=True)).astype(np.float32)
    mask = np.ones(shape, bool)
    difference = unwrap(wrap(truth), mask, method) - truth
    assert np.ptp(difference) < 2e-3
    turns = difference.mean() / (2 * np.pi)
    assert abs(turns - round(turns)) < 1e-3


@pytest.mark.parametrize("method", ["path", "laplacian"])
def test_each_part_of_the_mask_has_its_median_near_zero(method):
    phase = np.zeros((30, 8, 8), np.float32)
    phase[:10], phase[20:] = 20.0, -13.0
    mask = np.ones(phase.shape, bool)
    mask[10:20] = False
    found = unwrap(wrap(phase), mask, method)
    assert found[:10].mean() == pytest.approx(20 - 6 * np.pi, abs=1e-3)
    assert found[20:].mean() == pytest.approx(-13 + 4 * np.pi, abs=1e-3)
    assert (found[10:20] == 0).all()


def test_a_single_slice_is_unwrapped():
    x, y = np.meshgrid(np.arange(20), np.arange(30), indexing="ij")
    truth = (0.9 * x - 0.7 * y).astype(np.float32)[:, :, None]
    found = unwrap(wrap(truth), np.ones(truth.shape, bool))
    assert np.ptp(found - truth) < 1e-3


def test_the_path_result_is_whole_turns_away(head, noisy):
    found = unwrap(noisy.phase[2], head.mask)
    turns = ((found - noisy.phase[2]) / (2 * np.pi))[head.mask]
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-4)
