"""Our scores against those of QSM-CI's scorer (the package qsm-ci), to 1e-4 on three volumes.

The same by definition: demeaned and detrended NRMSE, correlation, coverage, the errors of tissue, deep grey matter and
blood, deep-grey linearity, calcification moment and streak. Two differ, and the tests say how, by turning ours into
theirs:

- XSIM: they take a 5x5x5 window of equal weights and the variances of the voxels that lie in the volume; we take the
  paper's Gaussian 7x7x7 window (sigma 1.5). Constants and average are the same.
- HFEN: they apply SciPy's `gaussian_laplace` with a mirrored edge, a support of 17 voxels and no removal of the mean,
  and take the norms inside the mask; we take the 2016 challenge's 15-voxel kernel with zeros beyond the edge, and the
  norms over the volume.
"""

import numpy as np
import pytest
from qsm_ci import qsm_eval
from scipy.ndimage import gaussian_filter, gaussian_laplace, uniform_filter

from qsmbench.core.grid import Grid
from qsmbench.metrics.case import Case
from qsmbench.metrics.registry import score_case

SHAPE = (44, 40, 36)
# Their numbers of structures, and our names of them.
NAMES = {
    1: "caudate_left", 2: "pallidum_left", 3: "putamen_left", 4: "red_nucleus_left", 5: "dentate_left",
    6: "substantia_nigra_left", 7: "thalamus_left", 8: "white_matter", 9: "grey_matter", 10: "csf", 11: "vein",
    16: "calcification",
}  # fmt: skip
SAME = {
    ("nrmse_demeaned", "mask"): "nrmse",
    ("nrmse_detrended", "mask"): "nrmse_detrend",
    ("correlation", "mask"): "correlation",
    ("coverage", "mask"): "coverage",
    ("region_error", "tissue"): "nrmse_tissue",
    ("region_error", "deep grey"): "nrmse_dgm",
    ("region_error", "blood"): "nrmse_blood",
    ("deep_grey_linearity", "mask"): "dgm_linearity",
    ("calcification_moment", "mask"): "calc_moment_dev",
    ("calcification_streak", "mask"): "calc_streak",
}


def volumes(kind: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Estimate, truth, mask and labels: a smoothed map, a noisy one, and one that lost its rim and changed scale."""
    rng = np.random.default_rng(kind)
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    mask = sum(a**2 for a in axes) < 0.9
    labels = np.where(
        mask, rng.permuted(np.repeat([7, 8, 9, 10], 4))[(np.arange(np.prod(SHAPE)) // 7) % 16].reshape(SHAPE), 0
    )
    for number in range(1, 7):
        x = 5 * number + 3
        labels[x : x + 4, 16:20, 14:20] = number
    labels[14:30, 26, 20] = 11
    labels[20:24, 12:15, 24:27] = 16
    values = np.zeros(17)
    values[1:12] = (0.05, 0.13, 0.06, 0.1, 0.09, 0.11, 0.01, -0.03, 0.02, 0.0, 0.4)
    values[16] = -0.9
    truth = np.where(mask, gaussian_filter(values[labels], 0.4) + rng.normal(scale=0.005, size=SHAPE), 0)
    if kind == 0:
        estimate = gaussian_filter(truth, 0.8)
    elif kind == 1:
        estimate = truth + rng.normal(scale=0.03, size=SHAPE)
    else:
        inner = sum(a**2 for a in axes) < 0.7
        estimate = np.where(inner, 0.6 * truth + 0.02, 0)
    return estimate, truth, mask.astype(np.uint8), labels


@pytest.mark.parametrize("kind", range(3))
def test_same_definitions_give_the_same_numbers(kind: int) -> None:
    estimate, truth, mask, labels = volumes(kind)
    theirs, _ = qsm_eval.score_arrays(estimate, truth, mask, "chi", seg=labels)
    case = Case(estimate, mask, Grid(SHAPE, (1.0, 1.0, 1.0), (0.0, 0.0, 1.0)), truth, None, labels, NAMES)
    ours = {(s.metric, s.region): s.value for s in score_case(case, {metric for metric, _ in SAME})}
    assert set(ours) == set(SAME)
    for key, name in SAME.items():
        assert ours[key] == pytest.approx(theirs[name], abs=1e-4), key


@pytest.mark.parametrize("kind", range(3))
def test_xsim_differs_by_its_window_alone(kind: int) -> None:
    estimate, truth, mask, _ = volumes(kind)
    x, y = (np.where(mask, v, 0) for v in (estimate, truth))
    n = uniform_filter(np.ones(SHAPE), 5, mode="constant")
    mean = lambda v: uniform_filter(v, 5, mode="constant") / n  # noqa: E731
    mu_x, mu_y = mean(x), mean(y)
    covariance = mean(x * y) - mu_x * mu_y
    variances = mean(x**2 + y**2) - mu_x**2 - mu_y**2
    boxed = (2 * mu_x * mu_y + 1e-4) * (2 * covariance + 1e-6) / ((mu_x**2 + mu_y**2 + 1e-4) * (variances + 1e-6))
    theirs, _ = qsm_eval.score_arrays(estimate, truth, mask)
    assert boxed[mask > 0].mean() == pytest.approx(theirs["xsim"], abs=1e-4)
    case = Case(estimate, mask, Grid(SHAPE, (1.0, 1.0, 1.0), (0.0, 0.0, 1.0)), truth)
    ours = {s.metric: s.value for s in score_case(case, ["xsim"])}["xsim"]
    assert ours != pytest.approx(theirs["xsim"], abs=1e-4)
    assert ours == pytest.approx(theirs["xsim"], abs=0.15)


@pytest.mark.parametrize("kind", range(3))
def test_hfen_differs_by_kernel_and_norm(kind: int) -> None:
    estimate, truth, mask, _ = volumes(kind)
    x, y = (np.where(mask, v, 0.0) for v in (estimate, truth))
    filtered = [gaussian_laplace(v, 1.5, truncate=5.0)[mask > 0] for v in (x, y)]
    inside = 100 * np.linalg.norm(filtered[0] - filtered[1]) / np.linalg.norm(filtered[1])
    theirs, _ = qsm_eval.score_arrays(estimate, truth, mask)
    assert inside == pytest.approx(theirs["hfen"], abs=1e-4)
    case = Case(estimate, mask, Grid(SHAPE, (1.0, 1.0, 1.0), (0.0, 0.0, 1.0)), truth)
    ours = {s.metric: s.value for s in score_case(case, ["hfen"])}["hfen"]
    assert ours == pytest.approx(theirs["hfen"], rel=0.25)
