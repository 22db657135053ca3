"""The contract, over every metric in the registry, and `score`."""

import numpy as np
import pytest

from qsmbench.core.errors import InputError
from qsmbench.metrics.case import Case
from qsmbench.metrics.registry import METRICS, map_metrics, score

NAMES = [name for name in map_metrics() if name != "coverage"]
BEST = {"lower": 0.0, "higher": 1.0}


@pytest.mark.parametrize("name", map_metrics())
def test_docstrings_say_what_anisotropic_voxels_do(name):
    assert METRICS[name].unit in {"%", ""}
    assert "Anisotropic voxels" in METRICS[name].function.__doc__


def test_score_of_the_reference_itself_is_best(maps):
    scores = score(maps.reference, maps.reference, maps.mask, maps.voxel_size)
    assert list(scores) == map_metrics()
    for name, value in scores.items():
        assert type(value) is float
        assert value == pytest.approx(BEST[METRICS[name].better], abs=1e-12)


def test_noise_makes_every_metric_worse(free_maps):
    m = free_maps
    noise = np.random.default_rng(1).normal(size=m.reference.shape)
    some, more = (score(m.reference + s * noise, m.reference, m.mask, m.voxel_size) for s in (0.01, 0.05))
    for name in NAMES:
        assert more[name] > some[name] if METRICS[name].better == "lower" else more[name] < some[name]


def test_nothing_outside_the_mask_matters(maps):
    """NaN and huge values beyond the mask, in both maps, leave every score as it is, to the last bit."""
    outside = ~maps.mask
    estimate, reference = maps.estimate.copy(), maps.reference.copy()
    estimate[outside], reference[outside] = np.nan, 1e6
    assert score(estimate, reference, maps.mask, maps.voxel_size) == score(*maps.args, maps.voxel_size)


def test_same_bytes_whatever_the_layout(maps):
    """Order in memory and the mask's dtype change nothing: maps come from NIfTI in Fortran order."""
    fortran = (np.asfortranarray(maps.estimate), np.asfortranarray(maps.reference), maps.mask.astype(np.uint8))
    assert score(*fortran, maps.voxel_size) == score(*maps.args, maps.voxel_size)


def test_field_of_view_does_not_matter(free_maps):
    """Padding changes no score once the mask is 7 voxels from the edge."""
    m = free_maps
    padded = [np.pad(volume, ((3, 0), (0, 11), (5, 5))) for volume in m.args]
    assert score(*padded, m.voxel_size) == score(*m.args, m.voxel_size)


def test_axes_are_treated_alike(maps):
    turned = [volume.transpose(2, 0, 1) for volume in maps.args]
    expected = score(*maps.args, maps.voxel_size)
    assert score(*turned, maps.voxel_size) == pytest.approx(expected, rel=1e-11)


def test_missing_voxels_count_as_errors(free_maps):
    """A method that gives up on the hardest third must not rank higher for it; coverage says what happened."""
    m = free_maps
    error = np.where(m.mask, np.abs(m.estimate - m.reference), 0)
    missing = error > np.quantile(error[m.mask], 2 / 3)
    gaps = np.where(missing, 0, m.estimate)
    whole, holed = score(*m.args, m.voxel_size), score(gaps, m.reference, m.mask, m.voxel_size)
    assert whole["coverage"] == 1.0
    assert holed["coverage"] == pytest.approx(2 / 3, abs=1 / m.mask.sum())
    for name in NAMES:
        assert holed[name] > whole[name] if METRICS[name].better == "lower" else holed[name] < whole[name]


def test_score_takes_names_and_adds_coverage(maps):
    assert list(score(*maps.args, maps.voxel_size, metrics=("xsim", "rmse"))) == ["xsim", "rmse", "coverage"]
    with pytest.raises(InputError, match="unknown metric psnr; choose from rmse, hfen"):
        score(*maps.args, maps.voxel_size, metrics=["rmse", "psnr"])
    with pytest.raises(InputError, match="metric roi_mean needs more than two maps; choose from rmse, hfen"):
        score(*maps.args, maps.voxel_size, metrics=["rmse", "roi_mean"])


def spoil(volume, value):
    copy = volume.copy()
    copy[tuple(n // 2 - 1 for n in copy.shape)] = value
    return copy


BAD_INPUTS = {
    "shapes": (lambda x, t, m: (x[:-1], t, m), r"estimate has shape \(29, 31, 29\).*\(30, 31, 29\)"),
    "mask shape": (lambda x, t, m: (x, t, m[..., :-1]), r"mask has shape \(30, 31, 28\)"),
    "4-D": (lambda x, t, m: (x[..., None], t, m), r"estimate must be one 3-D volume, got shape \(30, 31, 29, 1\)"),
    "empty mask": (lambda x, t, m: (x, t, m & False), "mask is empty"),
    "NaN": (lambda x, t, m: (spoil(x, np.nan), t, m), "estimate has 1 non-finite voxels"),
    "infinite": (lambda x, t, m: (x, spoil(t, np.inf), m), "reference has 1 non-finite voxels"),
    "zero reference": (lambda x, t, m: (x, np.where(m, 0, t), m), "reference is zero everywhere"),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", BAD_INPUTS)
def test_bad_input_is_refused_in_one_line(free_maps, name, case):
    spoiled, message = BAD_INPUTS[case]
    with pytest.raises(InputError, match=message) as caught:
        METRICS[name].function(Case.of(*spoiled(*free_maps.args), (1, 1, 1)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("voxel_size", [(1, 1), (1, 0, 1), (1, 1, np.nan)])
def test_bad_voxel_size_is_refused(maps, voxel_size):
    with pytest.raises(InputError, match="three positive lengths"):
        score(*maps.args, voxel_size)
