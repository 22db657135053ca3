"""The metrics without a filter: RMSE, the two NRMSE of 2019, correlation, coverage; small cases by hand, then laws."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qsmbench.core.errors import InputError
from qsmbench.metrics.case import Case
from qsmbench.metrics.correlation import correlation
from qsmbench.metrics.coverage import coverage
from qsmbench.metrics.nrmse_demeaned import nrmse_demeaned
from qsmbench.metrics.nrmse_detrended import nrmse_detrended
from qsmbench.metrics.rmse import rmse

UNIT = (1.0, 1.0, 1.0)
volumes = arrays(np.float64, (3, 4, 2), elements=st.floats(-1, 1, width=32))
MASK = np.ones((3, 4, 2), bool)


def row(*values) -> np.ndarray:
    return np.array(values, float).reshape(1, 1, -1)


def of(metric, estimate, reference, mask, voxel_size=UNIT) -> float:
    return metric(Case.of(estimate, reference, mask, voxel_size))["mask"]


def test_rmse_by_hand():
    # Errors 1, 2, 2 (norm 3) against a reference of norm sqrt(4 + 16 + 16) = 6; the last voxel is outside.
    result = of(rmse, row(3, 2, 6, 99), row(2, 4, 4, 7), row(1, 1, 1, 0))
    assert result == pytest.approx(50.0)


def test_nrmse_by_hand():
    # t = (-1, 0, 1), x = (-1, -1, 2): error (0, -1, 1), so 100 sqrt(2 / 2). Slope 3 / 2: x / a = (-2, -2, 4) / 3.
    args = row(4, 4, 7), row(0, 1, 2), row(1, 1, 1)
    assert of(nrmse_demeaned, *args) == pytest.approx(100.0)
    assert of(nrmse_detrended, *args) == pytest.approx(100 * np.sqrt((1 / 9 + 4 / 9 + 1 / 9) / 2))
    assert of(correlation, *args) == pytest.approx(3 / np.sqrt(12))


def test_nrmse_equals_polyfit(maps):
    """The challenge's own steps, with a polynomial fit of the estimate on the reference, inverted."""
    x, t = maps.estimate[maps.mask].astype(float), maps.reference[maps.mask].astype(float)
    x, t = x - x.mean(), t - t.mean()
    slope, intercept = np.polyfit(t, x, 1)
    corrected = np.polyval([1 / slope, -intercept / slope], x)
    demeaned, detrended = (100 * np.linalg.norm(v - t) / np.linalg.norm(t) for v in (x, corrected))
    assert of(nrmse_demeaned, *maps.args) == pytest.approx(demeaned, rel=1e-11)
    assert of(nrmse_detrended, *maps.args) == pytest.approx(detrended, rel=1e-11)
    assert of(correlation, *maps.args) == pytest.approx(np.corrcoef(x, t)[0, 1], rel=1e-11)


@given(volumes, volumes, st.floats(-2, 2), st.floats(0.1, 10))
def test_laws_of_offset_and_scale(estimate, reference, offset, scale):
    assume(np.ptp(reference) > 0.1 and np.ptp(estimate) > 0.1)
    r = of(correlation, estimate, reference, MASK)
    assume(abs(r) > 1e-3)
    moved = scale * estimate + offset
    assert of(correlation, moved, reference, MASK) == pytest.approx(r, abs=1e-9)
    detrended = of(nrmse_detrended, estimate, reference, MASK)
    assert of(nrmse_detrended, moved, reference, MASK) == pytest.approx(detrended, rel=1e-6, abs=1e-5)
    assert of(nrmse_detrended, -moved, reference, MASK) == pytest.approx(detrended, rel=1e-6, abs=1e-5)
    assert detrended == pytest.approx(100 * np.sqrt(max(0.0, 1 / r**2 - 1)), rel=1e-6, abs=1e-5)
    demeaned = of(nrmse_demeaned, estimate, reference, MASK)
    assert of(nrmse_demeaned, estimate + offset, reference, MASK) == pytest.approx(demeaned, rel=1e-9)


@given(volumes, st.floats(-3, 3))
def test_scaled_reference(reference, factor):
    """A map that is the reference times a has an RMSE of 100 |a - 1|; zeros score 100."""
    assume(np.abs(reference).max() > 0.1)
    result = of(rmse, factor * reference, reference, MASK)
    assert result == pytest.approx(100 * abs(factor - 1), abs=1e-9)


def test_undefined_for_a_constant_estimate():
    flat, reference, mask = row(0.1, 0.1, 0.1), row(1, 2, 4), row(1, 1, 1)
    assert np.isnan(of(correlation, flat, reference, mask))
    assert np.isnan(of(nrmse_detrended, flat, reference, mask))
    assert of(nrmse_demeaned, flat, reference, mask) == pytest.approx(100.0)


@pytest.mark.parametrize("metric", [nrmse_demeaned, nrmse_detrended, correlation])
def test_constant_reference_is_refused(metric):
    with pytest.raises(InputError, match="constant inside the mask"):
        of(metric, row(1, 2, 3, 4), row(0.1, 0.1, 0.1, 9), row(1, 1, 1, 0))


def test_coverage_counts_finite_nonzero_voxels_of_the_mask():
    estimate = row(0.0, -0.1, np.nan, np.inf, 1e-30, 0.2)
    assert of(coverage, estimate, row(*[1] * 6), row(1, 1, 1, 1, 1, 0)) == pytest.approx(2 / 5)
