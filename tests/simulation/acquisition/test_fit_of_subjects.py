"""The field fit on simulated subjects, against what their echoes hold: exactly without noise, at the bound with it.

Voxels of one point each (`partial_volume=False`): a voxel that holds many fields has no one field whose phase grows in
proportion to TE; how much that matters is in docs/acquisitions.md.
"""

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from qsmbench.core.units import ppm_to_rad
from qsmbench.preparation.echoes import Echoes
from qsmbench.preparation.field_fit import fit_field
from qsmbench.preparation.mask import refine
from qsmbench.preparation.settings import FieldFitSettings, MaskSettings
from qsmbench.simulation.acquisition.protocol import PROTOCOLS
from qsmbench.simulation.acquisition.scan import simulate

SCALES = {"research": (4.0, 4.0, 1.5), "clinical": (3.0, 3.0, 1.0)}


def subject(little_head, upright, name, snr):
    protocol = PROTOCOLS[name].scaled(SCALES[name])
    scan = simulate(little_head, protocol, upright, np.random.default_rng(3), snr=snr, partial_volume=False)
    images = np.stack(scan.echoes)
    phase, magnitude = np.angle(images).astype(np.float32), np.abs(images)
    return scan, Echoes(phase, magnitude, scan.grid, protocol.echo_times, protocol.b0)


@pytest.mark.parametrize("name", SCALES)
def test_without_noise_the_total_field_comes_back_across_many_wraps(little_head, upright, name):
    scan, echoes = subject(little_head, upright, name, snr=0)
    fit = fit_field(echoes, scan.mask, FieldFitSettings())
    inside = refine(scan.mask, fit, MaskSettings(), echoes) & scan.mask
    assert inside.sum() > 0.97 * scan.mask.sum()
    true = scan.total_field[inside]
    last = ppm_to_rad(true, echoes.b0, echoes.echo_times[-1])
    assert np.ptp(last) / (2 * np.pi) > 5, "the last echo wraps many times"
    turn = 1 / ppm_to_rad(1.0, echoes.b0, echoes.echo_times[1] - echoes.echo_times[0]) * 2 * np.pi
    error = fit.total_field[inside] - true
    error -= turn * np.round(np.median(error) / turn)
    assert np.sqrt(np.mean(error**2) / np.mean(true**2)) < 0.002


@pytest.mark.parametrize("name", SCALES)
def test_with_noise_the_error_is_the_cramer_rao_bound(little_head, upright, name):
    quiet, silent = subject(little_head, upright, name, snr=0)
    noisy, echoes = subject(little_head, upright, name, snr=40.0)
    inside = binary_erosion(quiet.mask, iterations=2)
    fit = fit_field(echoes, quiet.mask, FieldFitSettings())
    # The bound from what the simulation knows: the magnitudes without noise, and the noise that was added.
    times = np.array(echoes.echo_times)[:, None]
    weights = silent.magnitude[:, inside].astype(np.float64) ** 2
    mean = (weights * times).sum(0) / weights.sum(0)
    bound = noisy.noise_sd / np.sqrt((weights * (times - mean) ** 2).sum(0)) / ppm_to_rad(1.0, echoes.b0, 1.0)
    # Errors in units of their bound; a voxel that lost its signal to R2* or to a wrap is no matter of efficiency.
    error = (fit.total_field[inside] - quiet.total_field[inside]) / bound
    assert np.abs(np.median(error)) < 0.1
    typical = np.abs(error) < 5
    assert typical.mean() > 0.999
    assert error[typical].std() == pytest.approx(1.0, abs=0.05)
    assert np.median(fit.field_noise[inside] / bound) == pytest.approx(1.0, abs=0.05)
