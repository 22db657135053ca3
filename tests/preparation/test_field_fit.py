"""The field fit against truth and against the Cramer-Rao bound."""

import numpy as np
import pytest

from qsmbench.core.units import ppm_to_rad
from qsmbench.preparation.echoes import Echoes
from qsmbench.preparation.field_fit import fit_field, noise_of_differences
from qsmbench.preparation.settings import FieldFitSettings

RESEARCH = (0.0104, 0.0174, 0.0244, 0.0314)
CLINICAL = tuple(0.0126 + 0.0041 * i for i in range(7))
UNEQUAL = (0.005, 0.009, 0.016, 0.027)


def bound(head, times, noise):
    """Cramer-Rao bound of the field, ppm: offset and field unknown, amplitudes known."""
    t = np.array(times)[:, None]
    weight = head.magnitude(times)[:, head.mask] ** 2
    mean = (weight * t).sum(0) / weight.sum(0)
    return noise / np.sqrt((weight * (t - mean) ** 2).sum(0)) / ppm_to_rad(1.0, 3.0, 1.0)


@pytest.mark.parametrize("times", [RESEARCH, CLINICAL, UNEQUAL], ids=["research", "clinical", "unequal"])
@pytest.mark.parametrize("model", ["complex", "linear"])
@pytest.mark.parametrize("unwrapping", ["romeo", "laplacian"])
def test_without_noise_the_field_is_recovered_across_many_wraps(head, times, model, unwrapping):
    fit = fit_field(head.echoes(times), head.mask, FieldFitSettings(model=model, unwrapping=unwrapping))
    truth = head.total_field[head.mask]
    turns = np.ptp(ppm_to_rad(truth, 3.0, times[-1])) / (2 * np.pi)
    assert turns > 5
    error = np.linalg.norm(fit.total_field[head.mask] - truth) / np.linalg.norm(truth)
    assert error < 1e-4
    assert (fit.total_field[~head.mask] == 0).all()
    difference = fit.offset - head.offset
    assert np.abs(np.angle(np.exp(1j * difference[head.mask]))).max() < 1e-3


@pytest.mark.parametrize("times", [RESEARCH, CLINICAL, UNEQUAL], ids=["research", "clinical", "unequal"])
@pytest.mark.parametrize("noise", [0.01, 0.04])
def test_with_noise_the_error_is_the_cramer_rao_bound(head, times, noise):
    fit = fit_field(head.echoes(times, noise), head.mask, FieldFitSettings())
    expected = bound(head, times, noise)
    error = (fit.total_field - head.total_field)[head.mask]
    assert np.sqrt((error**2).mean() / (expected**2).mean()) == pytest.approx(1, abs=0.05)
    assert np.median(fit.field_noise[head.mask] / expected) == pytest.approx(1, abs=0.05)
    assert fit.noise == pytest.approx(noise, rel=0.05)


def test_two_echoes_take_their_noise_from_differences(head):
    echoes = head.echoes(RESEARCH[:2], 0.03)
    assert noise_of_differences(echoes, head.mask) == pytest.approx(0.03, rel=0.1)
    fit = fit_field(echoes, head.mask, FieldFitSettings())
    error = (fit.total_field - head.total_field)[head.mask]
    assert error.std() == pytest.approx(np.sqrt((bound(head, RESEARCH[:2], 0.03) ** 2).mean()), rel=0.05)


def test_one_echo_gives_its_phase_as_the_field(head):
    fit = fit_field(head.echoes((0.006,)), head.mask, FieldFitSettings())
    expected = head.total_field + head.offset / ppm_to_rad(1.0, 3.0, 0.006)
    difference = (fit.total_field - expected)[head.mask]
    turn = 2 * np.pi / ppm_to_rad(1.0, 3.0, 0.006)
    np.testing.assert_allclose(difference, turn * np.round(difference.mean() / turn), atol=1e-4)


def test_voxels_without_signal_stay_finite_and_count_as_noise(head):
    echoes = head.echoes(noise=0.02)
    magnitude = echoes.magnitude.copy()
    magnitude[:, 28, 30:34, 20] = 0
    fit = fit_field(Echoes(echoes.phase, magnitude, echoes.grid, echoes.echo_times, 3.0), head.mask, FieldFitSettings())
    assert np.isfinite(fit.total_field).all()
    assert np.isfinite(fit.field_noise).all()
    assert fit.field_noise[28, 31, 20] == fit.field_noise.max()


def test_coherence_is_one_where_the_phase_is_smooth_and_falls_in_noise(head):
    echoes = head.echoes(noise=0.0)
    rng = np.random.default_rng(3)
    phase = echoes.phase.copy()
    phase[:, 20:30, 20:30, 15:25] = rng.uniform(-np.pi, np.pi, (4, 10, 10, 10))
    fit = fit_field(Echoes(phase, echoes.magnitude, echoes.grid, echoes.echo_times, 3.0), head.mask, FieldFitSettings())
    assert np.median(fit.coherence[21:29, 21:29, 16:24]) < 0.4
    assert np.median(fit.coherence[head.mask]) > 0.9


@pytest.mark.parametrize(
    "times", [(0.004, 0.020, 0.0225), (0.005, 0.0105, 0.030), (0.003, 0.0055, 0.019, 0.036)], ids=str
)
def test_echoes_far_apart_are_unwrapped_from_the_nearest_pair_on(head, times):
    noise = 0.02
    fit = fit_field(head.echoes(times, noise), head.mask, FieldFitSettings())
    error = (fit.total_field - head.total_field)[head.mask]
    error -= np.median(error)
    expected = bound(head, times, noise)
    assert np.mean(np.abs(error) > 6 * expected) < 1e-3
    good = np.abs(error) < 6 * expected
    assert np.sqrt((error[good] ** 2).mean() / (expected[good] ** 2).mean()) == pytest.approx(1, abs=0.06)


def test_a_pole_of_the_offset_leaves_no_trace_in_the_field(head):
    """Coils combined without care have lines around which the phase turns once."""
    echoes = head.echoes(noise=0.01)
    x, y = (np.arange(n) - n / 2 + 0.5 for n in head.grid.shape[:2])
    pole = np.arctan2(y[None, :] - 3, x[:, None] - 4)[:, :, None]
    turned = np.angle(np.exp(1j * (echoes.phase + pole))).astype(np.float32)
    fit = fit_field(echoes, head.mask, FieldFitSettings())
    other = fit_field(
        Echoes(turned, echoes.magnitude, echoes.grid, echoes.echo_times, 3.0), head.mask, FieldFitSettings()
    )
    np.testing.assert_allclose(other.total_field, fit.total_field, atol=1e-4)
