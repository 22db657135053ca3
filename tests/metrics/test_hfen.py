"""HFEN against its definition: the whole 15x15x15 kernel, no separation, no crop."""

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import convolve, gaussian_filter
from scipy.signal import fftconvolve

from qsmbench.metrics.case import Case
from qsmbench.metrics.hfen import hfen, laplacian_of_gaussian


def kernel_by_definition() -> np.ndarray:
    x, y, z = np.mgrid[-7:8, -7:8, -7:8].astype(float)
    squared = x**2 + y**2 + z**2
    gauss = np.exp(-squared / (2 * 1.5**2))
    gauss /= gauss.sum()
    kernel = (squared / 1.5**4 - 3 / 1.5**2) * gauss
    return kernel - kernel.mean()


def hfen_by_definition(estimate, reference, mask) -> float:
    x, t = (np.where(mask, volume, 0).astype(float) for volume in (estimate, reference))
    x, t = (convolve(volume, kernel_by_definition(), mode="constant") for volume in (x, t))
    return 100 * np.linalg.norm(x - t) / np.linalg.norm(t)


def test_filter_is_the_kernel():
    """The response to a single voxel is the kernel itself, and it sums to zero."""
    impulse = np.zeros((17, 19, 16))
    impulse[8, 9, 7] = 1.0
    response = laplacian_of_gaussian(impulse)
    expected = np.zeros_like(impulse)
    expected[1:16, 2:17, 0:15] = kernel_by_definition()
    np.testing.assert_allclose(response, expected, rtol=0, atol=1e-15)
    assert abs(response.sum()) < 1e-13


def test_filter_center_value():
    """At the centre: -3 / sigma^2 times the Gaussian's peak, here summed by hand, less a mean of order 1e-8."""
    peak = (1 / sum(np.exp(-(k**2) / 4.5) for k in range(-7, 8))) ** 3
    impulse = np.zeros((15, 15, 15))
    impulse[7, 7, 7] = 1.0
    assert laplacian_of_gaussian(impulse)[7, 7, 7] == pytest.approx(-3 / 2.25 * peak, abs=1e-7)


def test_equals_definition(maps):
    assert hfen(maps.case)["mask"] == pytest.approx(hfen_by_definition(*maps.args), rel=1e-11)


def test_offset_costs_at_the_mask_edge_only(free_maps):
    """An offset is an error of HFEN, because masked maps end in a step; without a mask edge in sight it is none."""
    m = free_maps
    assert hfen(Case.of(m.reference + 0.05, m.reference, m.mask, m.voxel_size))["mask"] > 10
    interior = laplacian_of_gaussian(np.full((21, 21, 21), 0.05))[7:-7, 7:-7, 7:-7]
    np.testing.assert_allclose(interior, 0, atol=1e-15)


def test_equals_definition_on_a_brain(shared_data):
    """The 2016 COSMOS map against its blurred self, the definition by way of the Fourier transform."""
    folder = shared_data / "challenge2016"
    block = (slice(20, 120), slice(60, 140), slice(50, 110))
    chi = np.asarray(nib.load(folder / "chi_cosmos.nii.gz").dataobj[block], float)
    mask = np.asarray(nib.load(folder / "mask.nii.gz").dataobj[block]) > 0
    blurred = gaussian_filter(chi, 1)
    x, t = (fftconvolve(np.where(mask, v, 0), kernel_by_definition(), mode="same") for v in (blurred, chi))
    expected = 100 * np.linalg.norm(x - t) / np.linalg.norm(t)
    assert hfen(Case.of(blurred, chi, mask, (1.0625, 1.0625, 1.0625)))["mask"] == pytest.approx(expected, rel=1e-10)
