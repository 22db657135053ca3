"""SSIM and XSIM against their definition: whole windows, five filters, no crop."""

import numpy as np
import pytest
from scipy.ndimage import convolve

from qsmbench.metrics.case import Case
from qsmbench.metrics.ssim import ssim
from qsmbench.metrics.structural import mean_similarity
from qsmbench.metrics.xsim import xsim


def similarity_map(x, y, radius, c1, c2) -> np.ndarray:
    """Wang et al. 2004, Eq. 13, window by window."""
    grid = np.mgrid[-radius : radius + 1, -radius : radius + 1, -radius : radius + 1]
    window = np.exp(-(grid**2).sum(axis=0) / (2 * 1.5**2))
    window /= window.sum()

    def local(volume):
        return convolve(volume, window, mode="constant")

    mu_x, mu_y = local(x), local(y)
    var_x, var_y, cov = local(x * x) - mu_x**2, local(y * y) - mu_y**2, local(x * y) - mu_x * mu_y
    return (2 * mu_x * mu_y + c1) * (2 * cov + c2) / ((mu_x**2 + mu_y**2 + c1) * (var_x + var_y + c2))


def ssim_by_definition(estimate, reference, mask, average) -> float:
    x, y = (np.where(mask, volume, 0).astype(float) for volume in (estimate, reference))
    lowest = min(x.min(), y.min())
    x[x != 0] -= lowest
    y[y != 0] -= lowest
    highest = max(x.max(), y.max())
    x, y = 255 * x / highest, 255 * y / highest
    values = similarity_map(x, y, 2, (0.01 * 255) ** 2, (0.03 * 255) ** 2)
    return values[mask].mean() if average == "mask" else values[x != 0].mean()


def xsim_by_definition(estimate, reference, mask) -> float:
    x, y = (np.where(mask, volume, 0).astype(float) for volume in (estimate, reference))
    return similarity_map(x, y, 3, 0.01**2, 0.001**2)[mask].mean()


def score(metric, estimate, reference, mask, voxel_size=(1, 1, 1)) -> float:
    return metric(Case.of(estimate, reference, mask, voxel_size))["mask"]


def test_ssim_equals_definition(maps):
    assert ssim(maps.case)["mask"] == pytest.approx(ssim_by_definition(*maps.args, "mask"), rel=1e-11)


def test_ssim_keeps_the_background_in_the_range(free_maps):
    """Where all of chi is positive, the lowest value is the background's 0, also where the mask fills its own box."""
    m = free_maps
    box = np.zeros(m.mask.shape, bool)
    box[:, 2:9, :] = True
    args = (m.estimate + 1, m.reference + 1, box)
    assert score(ssim, *args) == pytest.approx(ssim_by_definition(*args, "mask"), rel=1e-11)
    shifted = tuple(volume[:, 2:9, :] for volume in args)
    assert abs(score(ssim, *shifted) - score(ssim, *args)) > 1e-3


def test_ssim_averages_differ_by_the_lowest_voxel(free_maps):
    """With full coverage the script's average leaves out at most one voxel of the mask."""
    m = free_maps
    assert ssim(m.case)["mask"] == pytest.approx(ssim_by_definition(*m.args, "estimate"), abs=2 / m.mask.sum())


def test_eroding_is_cheap_in_the_script_and_dear_here(large_maps):
    m = large_maps
    eroded = m.estimate.copy()
    inside = np.flatnonzero(m.mask)
    eroded.ravel()[inside[: inside.size // 3]] = 0
    full = ssim(m.case)["mask"]
    assert full - score(ssim, eroded, m.reference, m.mask) > 0.2
    assert abs(full - ssim_by_definition(eroded, m.reference, m.mask, "estimate")) < 0.1


def test_one_extreme_voxel_raises_ssim_and_not_xsim(large_maps):
    """The pitfall that XSIM was made for (Milovic et al. 2024): a wider range hides every other error."""
    m = large_maps
    spiked = m.estimate.copy()
    spiked[tuple(np.argwhere(m.mask)[0])] = 5.0
    assert score(ssim, spiked, m.reference, m.mask) > score(ssim, *m.args)
    assert score(xsim, spiked, m.reference, m.mask) < score(xsim, *m.args)


def test_xsim_equals_definition(maps):
    assert xsim(maps.case)["mask"] == pytest.approx(xsim_by_definition(*maps.args), rel=1e-11)


def test_xsim_of_two_constants():
    """By hand: with both maps flat inside the window only the luminance term is left."""
    a, b = 0.03, 0.05
    ones = np.ones((15, 15, 15))
    mask = np.zeros(ones.shape)
    mask[4:11, 4:11, 4:11] = 1
    # The window at the centre of a 7x7x7 mask sees nothing but the mask; elsewhere the step at its edge enters.
    centre = np.zeros_like(mask)
    centre[7, 7, 7] = 1
    result = mean_similarity(a * mask, b * mask, centre > 0, radius=3, c1=1e-4, c2=1e-6)
    assert result == pytest.approx((2 * a * b + 1e-4) / (a**2 + b**2 + 1e-4), rel=1e-9)


def test_ssim_without_a_range_is_nan():
    flat = np.full((5, 5, 5), -0.1)
    assert np.isnan(score(ssim, flat, flat, np.ones(flat.shape)))
