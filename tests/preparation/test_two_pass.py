"""Where signal is gone the field is continued from around; what was believed stays as it was."""

from dataclasses import replace

import numpy as np
import pytest
from little_scan import little

from qsmbench.preparation.field_fit import fit_field
from qsmbench.preparation.pipeline import prepare
from qsmbench.preparation.settings import FieldFitSettings, MaskSettings, PreparationSettings
from qsmbench.preparation.two_pass import continued, strict_mask

VOXEL = (1.0, 1.3, 2.0)


def hole(rng, at_rim):
    shape = (22, 20, 16)
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    mask = x**2 + y**2 + z**2 < 0.9
    lost = (x - (0.8 if at_rim else 0.1)) ** 2 + y**2 + z**2 < 0.06
    speckles = mask & (rng.random(shape) < 0.01)
    return (
        mask,
        mask & ~lost & ~speckles,
        [c * (n - 1) / 2 * v for c, n, v in zip((x, y, z), shape, VOXEL, strict=True)],
    )


def test_harmonic_fields_come_back_whatever_stood_in_the_hole():
    mask, strict, (x, y, z) = hole(np.random.default_rng(0), at_rim=False)
    for field in (np.ones(mask.shape), 2 * x - y + z, x * z + 3, x**2 - y**2):
        spoilt = np.where(strict, field, 1e3).astype(np.float32)
        found = continued(spoilt, strict, mask, VOXEL)
        # Speckles at the rim see the nearest values outside.
        inner = mask & (x**2 + y**2 + z**2 < 40)
        np.testing.assert_allclose(found[inner], field[inner], atol=2e-2 * np.abs(field[mask]).max())
        np.testing.assert_array_equal(found[strict], field.astype(np.float32)[strict])
        assert not found[~mask].any()


@pytest.mark.parametrize("at_rim", [False, True])
def test_continued_values_stay_within_those_around(at_rim):
    mask, strict, (x, y, z) = hole(np.random.default_rng(1), at_rim)
    field = np.where(strict, np.sin(x / 5) + y / 10 + z / 20, 1e3).astype(np.float32)
    found = continued(field, strict, mask, VOXEL)
    assert found[mask].max() <= field[strict].max() + 1e-3
    assert found[mask].min() >= field[strict].min() - 1e-3


def test_nothing_lost_changes_nothing_and_the_option_says_how_much():
    echoes, mask = little()
    plain = prepare(echoes, PreparationSettings(swi=None), mask)
    settings = PreparationSettings(swi=None, mask=MaskSettings(two_pass=True))
    again = prepare(echoes, settings, mask)
    assert again.report["ContinuedFraction"] == 0
    np.testing.assert_array_equal(again.volumes["local_field"], plain.volumes["local_field"])


def test_a_bleed_without_signal_no_longer_spoils_what_is_around_it():
    echoes, mask = little(noise=0.002)
    lost = np.zeros_like(mask)
    lost[9:13, 10:14, 7:11] = True
    rng = np.random.default_rng(5)
    magnitude, phase = echoes.magnitude.copy(), echoes.phase.copy()
    magnitude[:, lost] = 0.002 * rng.rayleigh(1.0, (3, int(lost.sum())))
    phase[:, lost] = rng.uniform(-np.pi, np.pi, (3, int(lost.sum())))
    spoilt = replace(echoes, magnitude=magnitude.astype(np.float32), phase=phase.astype(np.float32))
    truth = prepare(echoes, PreparationSettings(swi=None), mask).volumes["local_field"]
    errors = []
    for two_pass in (False, True):
        found = prepare(spoilt, PreparationSettings(swi=None, mask=MaskSettings(two_pass=two_pass)), mask)
        around = (found.volumes["local_mask"] > 0) & ~lost
        errors.append(float(np.linalg.norm((found.volumes["local_field"] - truth)[around])))
    assert errors[1] < 0.2 * errors[0]
    fit = fit_field(spoilt, mask, FieldFitSettings())
    strict = strict_mask(mask, fit, MaskSettings())
    assert not strict[lost & mask].mean() > 0.1
    assert strict[mask & ~lost].mean() > 0.98
    np.testing.assert_array_equal(strict_mask(mask, fit, MaskSettings(max_noise=None)), mask)
