"""Scores of a `Case` against values worked out by hand."""

import dataclasses
from math import isnan

import numpy as np
import pytest
import torch

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.metrics.calcification import cut_out
from qsmbench.metrics.case import Case
from qsmbench.metrics.registry import METRICS, map_metrics, score_case, whole_mask_metrics
from qsmbench.physics.dipole import forward_field

GRID = Grid((40, 38, 36), (1.0, 1.0, 1.0), (0.0, 0.0, 1.0))
NAMES = {1: "grey_matter", 2: "vein", 3: "caudate_left", 4: "caudate_right", 5: "pallidum_left", 9: "calcification"}


@pytest.fixture
def case() -> Case:
    """Blocks of known susceptibility; the estimate is half the truth plus 0.01."""
    labels = np.ones(GRID.shape, np.int16)
    labels[2:4, 2:12, 2:12] = 2
    labels[8:11, 4:10, 4:10] = 3
    labels[13:16, 4:10, 4:10] = 4
    labels[18:22, 4:10, 4:10] = 5
    labels[25:29, 20:24, 18:21] = 9
    values = np.array([0, 0.02, 0.3, 0.04, 0.06, 0.13, 0, 0, 0, -1.0])
    truth = values[labels] + np.random.default_rng(2).normal(scale=0.004, size=GRID.shape)
    mask = np.ones(GRID.shape, bool)
    mask[:, :, -2:] = False
    return Case(0.5 * truth + 0.01, mask, GRID, truth, None, labels, NAMES)


def scores(case: Case, *names: str) -> dict[tuple[str, str], float]:
    return {(s.metric, s.region): s.value for s in score_case(case, names)}


def test_region_errors_forgive_offset_and_scale_and_name_their_regions(case: Case) -> None:
    found = scores(case, "region_error")
    assert [region for metric, region in found if metric == "region_error"] == ["tissue", "deep grey", "blood"]
    assert all(value < 1e-9 for (metric, _), value in found.items() if metric == "region_error")


def test_region_error_of_one_region_leaves_the_others(case: Case) -> None:
    worse = np.array(case.estimate)
    worse[9, 5, 5] += 1
    found = scores(dataclasses.replace(case, estimate=worse), "region_error")
    assert found["region_error", "deep grey"] > 1
    assert found["region_error", "tissue"] < 1e-9


def test_a_region_of_constant_truth_has_no_score(case: Case) -> None:
    flat = np.where(np.isin(case.labels, (3, 4, 5)), 0.05, case.reference)
    assert isnan(scores(dataclasses.replace(case, reference=flat), "region_error")["region_error", "deep grey"])


def test_linearity_is_what_the_slope_lacks_to_one(case: Case) -> None:
    assert scores(case, "deep_grey_linearity")["deep_grey_linearity", "mask"] == pytest.approx(0.5)
    perfect = dataclasses.replace(case, estimate=case.reference)
    assert scores(perfect, "deep_grey_linearity")["deep_grey_linearity", "mask"] == pytest.approx(0, abs=1e-12)


def test_roi_means_need_no_truth_and_join_the_sides(case: Case) -> None:
    blind = dataclasses.replace(case, reference=None)
    found = scores(blind, "roi_mean", "rmse", "region_error")
    assert set(found) == {("roi_mean", "caudate"), ("roi_mean", "pallidum"), ("roi_mean", "vein"), ("coverage", "mask")}
    assert found["roi_mean", "caudate"] == pytest.approx(0.5 * 0.05 + 0.01, abs=5e-4)


def test_the_calcification_is_found_below_its_surroundings(case: Case) -> None:
    found = cut_out(case)
    assert found is not None
    # 4 x 4 x 3 voxels of -1 ppm, half of that and 0.01 in the estimate.
    assert len(found.true) == len(found.found) == 48
    result = scores(case, "calcification_moment", "calcification_streak")
    assert result["calcification_moment", "mask"] == pytest.approx(48 * (1 - 0.49), rel=1e-3)
    # The rim is a straight line of the truth.
    assert result["calcification_streak", "mask"] == pytest.approx(0, abs=1e-9)


def test_streaks_in_the_rim_count_and_a_calcification_that_is_gone_has_no_streak(case: Case) -> None:
    streaky = np.array(case.estimate)
    streaky[20, 18:26, 18] += 0.2
    assert (
        scores(dataclasses.replace(case, estimate=streaky), "calcification_streak")["calcification_streak", "mask"]
        > 0.005
    )
    gone = np.where(np.asarray(case.labels) == 9, 0.02, case.reference)
    result = scores(dataclasses.replace(case, estimate=gone), "calcification_streak", "calcification_moment")
    assert isnan(result["calcification_streak", "mask"])
    assert result["calcification_moment", "mask"] == pytest.approx(48, rel=1e-2)


def test_the_true_map_explains_its_field_and_a_scaled_one_leaves_its_share(case: Case) -> None:
    truth = np.where(case.inside, case.reference, 0).astype(np.float64)
    field = forward_field(torch.from_numpy(truth), GRID).numpy()
    exact = dataclasses.replace(case, estimate=truth, local_field=field)
    assert scores(exact, "data_consistency")["data_consistency", "mask"] == pytest.approx(0, abs=1e-9)
    scaled = dataclasses.replace(exact, estimate=0.7 * truth)
    assert scores(scaled, "data_consistency")["data_consistency", "mask"] == pytest.approx(30)


def test_cone_streaking_is_about_one_for_white_noise_and_grows_with_power_in_the_cone() -> None:
    noise = np.random.default_rng(3).normal(size=GRID.shape)
    mask = np.ones(GRID.shape, bool)
    assert scores(Case(noise, mask, GRID), "cone_streaking")["cone_streaking", "mask"] == pytest.approx(1, abs=0.1)
    kx, ky, kz = np.meshgrid(*[np.fft.fftfreq(n) for n in GRID.shape], indexing="ij")
    with np.errstate(invalid="ignore"):
        cone = np.abs(1 / 3 - kz**2 / (kx**2 + ky**2 + kz**2)) < 0.1
    spectrum = np.fft.fftn(noise)
    stronger = np.fft.ifftn(spectrum * np.where(cone, 2, 1)).real
    weaker = np.fft.ifftn(spectrum * np.where(cone, 0.1, 1)).real
    assert scores(Case(stronger, mask, GRID), "cone_streaking")["cone_streaking", "mask"] == pytest.approx(4, abs=0.4)
    assert scores(Case(weaker, mask, GRID), "cone_streaking")["cone_streaking", "mask"] < 0.05


def test_the_cone_turns_with_b0() -> None:
    noise = np.random.default_rng(4).normal(size=(32, 32, 32))
    mask = np.ones(noise.shape, bool)
    upright, turned = (Grid(noise.shape, (1.0, 1.0, 1.0), b0) for b0 in ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0)))
    one = scores(Case(noise, mask, upright), "cone_streaking")["cone_streaking", "mask"]
    other = scores(Case(noise.transpose(2, 1, 0), mask, turned), "cone_streaking")["cone_streaking", "mask"]
    # Only the half of the spectrum that is summed differs.
    assert one == pytest.approx(other, rel=0.05)


def test_what_a_case_lacks_is_left_out(case: Case) -> None:
    bare = Case(case.estimate, case.mask, GRID)
    assert {(s.metric, s.region) for s in score_case(bare, METRICS)} == {
        ("coverage", "mask"),
        ("cone_streaking", "mask"),
    }


def test_unknown_metrics_and_broken_maps_are_refused(case: Case) -> None:
    with pytest.raises(InputError, match="unknown metric rsme"):
        score_case(case, ["rsme"])
    nowhere = dataclasses.replace(case, estimate=np.full(GRID.shape, np.nan))
    for name in ("rmse", "roi_mean", "cone_streaking"):
        with pytest.raises(InputError, match="non-finite"):
            score_case(nowhere, [name])
    assert scores(nowhere) == {("coverage", "mask"): 0}
    with pytest.raises(InputError, match="mask is empty"):
        dataclasses.replace(case, mask=np.zeros(GRID.shape, bool))
    with pytest.raises(InputError, match="labels"):
        dataclasses.replace(case, labels=np.zeros((2, 2, 2), np.int16))


def test_every_metric_says_what_it_is() -> None:
    for name, metric in METRICS.items():
        assert metric.name == name == metric.function.__name__
        assert 20 < len(metric.definition) <= 130, name
        assert metric.label
        assert metric.doi.startswith("10.") or name in {"coverage", "cone_streaking", "roi_mean"}
    assert len({metric.definition for metric in METRICS.values()}) == len(METRICS) == 15


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_needs_what_its_entry_says_and_nothing_more(case: Case, name: str) -> None:
    full = dataclasses.replace(case, local_field=np.asarray(case.reference), extent=case.mask)
    metric = METRICS[name]
    spared = {need: None for need in ("reference", "local_field", "labels") if need not in metric.needs}
    found = scores(dataclasses.replace(full, **spared), name)
    regions = {region for key, region in found if key == name}
    assert regions
    assert ("mask" in regions) is not metric.by_region
    assert all(type(value) is float for value in found.values())
    for need in metric.needs:
        lacking = dataclasses.replace(full, **{need: None})
        assert set(scores(lacking, name)) == {("coverage", "mask")}
        if need != "labels":
            with pytest.raises(InputError, match=f"this score needs a {need.replace('_', ' ')}"):
                metric.function(lacking)


def test_metrics_by_region_have_no_row_for_the_whole_mask() -> None:
    by_region = {name for name, metric in METRICS.items() if metric.by_region}
    assert by_region == {"region_error", "roi_mean"}
    assert by_region.isdisjoint(whole_mask_metrics(METRICS))
    assert by_region.isdisjoint(map_metrics())


def test_coverage_is_a_share_of_the_extent_where_there_is_one(case: Case) -> None:
    brain = np.ones(GRID.shape, bool)
    share = float(case.inside.mean())
    assert scores(dataclasses.replace(case, extent=brain))["coverage", "mask"] == pytest.approx(share)
    half = np.where(np.arange(GRID.shape[0])[:, None, None] < 20, case.estimate, 0)
    found = scores(dataclasses.replace(case, estimate=half, extent=brain))["coverage", "mask"]
    assert found == pytest.approx(share / 2)
