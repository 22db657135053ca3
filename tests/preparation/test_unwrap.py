import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmbench.preparation.romeo import Guide, quality, unwrap_in_time
from qsmbench.preparation.unwrap import unwrap, wrap


@settings(max_examples=15, deadline=None)
@given(
    shape=st.tuples(*[st.integers(6, 14)] * 3),
    slopes=st.tuples(*[st.floats(-2.0, 2.0)] * 3),
    method=st.sampled_from(["romeo", "path", "laplacian"]),
)
def test_a_ramp_is_unwrapped_up_to_whole_turns(shape, slopes, method):
    axes = np.meshgrid(*[np.arange(n) for n in shape], indexing="ij")
    truth = sum(s * a for s, a in zip(slopes, axes, strict=True)).astype(np.float32)
    mask = np.ones(shape, bool)
    difference = unwrap(wrap(truth), mask, method) - truth
    assert np.ptp(difference) < 2e-3
    turns = difference.mean() / (2 * np.pi)
    assert abs(turns - round(turns)) < 1e-3


@pytest.mark.parametrize("method", ["romeo", "path", "laplacian"])
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


def smooth(head, span):
    """A phase of ``span`` rad in the mask whose neighbours differ by less than half a turn."""
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in head.grid.shape], indexing="ij")
    phase = 3 * x**2 - y**2 - 2 * z**2 + x * y + np.exp(-8 * (x**2 + (y - 0.4) ** 2 + (z + 0.5) ** 2))
    phase *= span / np.ptp(phase[head.mask])
    assert max(np.abs(np.diff(phase, axis=a)).max() for a in range(3)) < np.pi
    return phase.astype(np.float32)


def test_romeo_unwraps_26_rad_in_noise_without_a_wrong_voxel(head):
    truth = smooth(head, 26)
    rng = np.random.default_rng(1)
    shape = truth.shape
    magnitude = np.where(head.mask, head.proton, 0)
    noise = 0.06 * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))
    signal = magnitude * np.exp(1j * truth) + noise
    phase = np.angle(signal).astype(np.float32)
    wrong = truth + np.angle(signal * np.exp(-1j * truth))
    found = unwrap(phase, head.mask, "romeo", Guide(np.abs(signal).astype(np.float32)))
    turns = np.round((found - wrong)[head.mask] / (2 * np.pi))
    assert (turns == turns[0]).all()
    added = ((found - phase) / (2 * np.pi))[head.mask]
    np.testing.assert_allclose(added, np.round(added), atol=1e-4)


def test_romeo_carries_no_error_out_of_noise(head):
    """Half a ball without signal between two good halves, joined at one side only."""
    truth = smooth(head, 32)
    rng = np.random.default_rng(2)
    magnitude = np.where(head.mask, 1.0, 0).astype(np.float32)
    bad = np.zeros(truth.shape, bool)
    bad[24:30, :40] = True
    magnitude[bad] = 0.02
    phase = np.where(bad, rng.uniform(-np.pi, np.pi, truth.shape), wrap(truth)).astype(np.float32)
    found = unwrap(phase, head.mask, "romeo", Guide(magnitude))
    turns = np.round((found - truth)[head.mask & ~bad] / (2 * np.pi))
    assert (turns == turns[0]).all()


def test_quality_tells_noise_from_signal(noisy, head):
    guide = Guide(noisy.magnitude[1], noisy.phase[0], noisy.echo_times[1] / noisy.echo_times[0])
    everywhere = np.ones(head.mask.shape, bool)
    worth = quality(noisy.phase[1], everywhere, guide)
    assert worth.min() >= 0
    assert worth.max() <= 1
    assert np.median(worth[head.mask]) > 4 * np.median(worth[~head.mask])


def test_all_echoes_are_unwrapped_in_time(head):
    times = np.array([0.004, 0.011, 0.013, 0.030])
    truth = head.total_field[head.mask] * 2 * np.pi * 127.7
    phase = wrap(np.outer(times, truth).astype(np.float32))
    found = unwrap_in_time(phase, np.ones_like(phase), times, (0.002 * truth).astype(np.float32), 0.002)
    np.testing.assert_allclose(found, np.outer(times, truth), atol=1e-3)
