"""COSMOS: exact where it should be, weighted where it can be, and honest about orientations that do not suffice."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from qsmbench.core.errors import InputError
from qsmbench.methods.cosmos import conditioning, cosmos
from qsmbench.simulation.orientations import multi_orientation, rotated

X, Z = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)
SIXTY = [rotated(Z, angle, X) for angle in (0, 60, 120)]
OBLIQUE = [rotated((0.31, -0.22, 0.92), angle, (0.9, 0.3, 0.1)) for angle in (0, 50, 115)]


@pytest.fixture
def case(small_scan, small_chi):
    chi = torch.from_numpy(small_chi) * small_scan.mask
    return chi, small_scan.mask, small_scan.grid


def error(found, chi, mask):
    return float((found - chi)[mask].norm() / chi[mask].norm())


@pytest.mark.parametrize("b0_dirs", [SIXTY, OBLIQUE])
def test_without_noise_chi_comes_back(case, b0_dirs):
    result = cosmos(multi_orientation(*case, b0_dirs, padding=4), tolerance=1e-5, padding=4)
    (course,) = result.convergence
    assert course.converged
    assert error(result.chi, case[0], case[1]) < 2e-3
    assert torch.equal(result.mask, case[1])
    assert bool((result.chi[~result.mask] == 0).all())
    assert course.values[-1] < 1e-3


def test_the_closed_form_is_exact_for_a_field_that_is_known_everywhere(case):
    """Periodic fields on the whole grid: every sample of k-space but the origin and common zeros is recovered."""
    rng = np.random.default_rng(0)
    mask = torch.ones(case[1].shape, dtype=torch.bool)
    # White chi, less its mean and the Nyquist samples, whose kernels may all vanish.
    spectrum = np.fft.fftn(rng.standard_normal(mask.shape))
    for axis, n in enumerate(mask.shape):
        if n % 2 == 0:
            spectrum[(slice(None),) * axis + (n // 2,)] = 0
    spectrum[0, 0, 0] = 0
    chi = torch.from_numpy(np.fft.ifftn(spectrum).real.astype(np.float32))
    scans = multi_orientation(chi, mask, case[2], SIXTY, padding=1)
    assert error(cosmos(scans, "closed", padding=1).chi, chi, mask) < 1e-4


def test_iterations_beat_the_closed_form_on_masked_fields(case):
    scans = multi_orientation(*case, SIXTY)
    closed, iterated = cosmos(scans, "closed"), cosmos(scans)
    assert closed.convergence == ()
    assert error(iterated.chi, case[0], case[1]) < 0.5 * error(closed.chi, case[0], case[1])


def test_the_mask_is_what_all_scans_share(case):
    scans = list(multi_orientation(*case, SIXTY, padding=4))
    smaller = scans[1].mask.clone()
    smaller[:10] = False
    scans[1] = replace(scans[1], mask=smaller)
    result = cosmos(scans, tolerance=1e-4, padding=4)
    assert torch.equal(result.mask, case[1] & smaller)
    # What lies outside one mask still acts on the others' fields and must not be pushed inside.
    assert error(result.chi, case[0], result.mask) < 0.02


def test_a_noisy_scan_counts_less(case):
    rng = np.random.default_rng(4)
    scans = [
        multi_orientation(*case, [b0_dir], noise=noise, generator=rng)[0]
        for b0_dir, noise in zip([*SIXTY, rotated(Z, 90, X)], (0.001, 0.001, 0.001, 0.1), strict=True)
    ]
    weighted = error(cosmos(scans, tolerance=1e-4).chi, case[0], case[1])
    plain = error(cosmos([replace(s, field_noise=None) for s in scans], tolerance=1e-4).chi, case[0], case[1])
    assert weighted < 0.2 * plain


def test_sixty_degrees_apart_is_best_conditioned():
    conditions = {}
    for angle in (40, 50, 55, 60, 65, 70):
        low, high = conditioning([rotated(Z, k * angle, X) for k in range(3)])
        conditions[angle] = high / low
    assert min(conditions, key=conditions.get) == 60
    assert conditions[60] == pytest.approx(2.031, abs=1e-3)


def test_conditioning_is_the_extreme_of_many_directions():
    k = np.random.default_rng(0).standard_normal((200_000, 3))
    k /= np.linalg.norm(k, axis=1, keepdims=True)
    gain = np.sqrt(((1 / 3 - (k @ np.array(OBLIQUE).T / np.linalg.norm(OBLIQUE, axis=1)) ** 2) ** 2).sum(1))
    low, high = conditioning(OBLIQUE)
    assert gain.min() * 0.98 < low <= gain.min()
    assert gain.max() <= high * (1 + 1e-9)
    assert high == pytest.approx(gain.max(), rel=1e-3)


def test_turning_all_directions_alike_changes_no_condition():
    axis = (0.3, -0.5, 0.8)
    turned = [rotated(b, 37, axis) for b in OBLIQUE]
    np.testing.assert_allclose(conditioning(turned), conditioning(OBLIQUE), rtol=1e-6)


def test_orientations_that_do_not_suffice_are_refused(case):
    scans = multi_orientation(*case, [Z, rotated(Z, 90, X)])
    with pytest.raises(InputError, match="2 orientations do not determine chi"):
        cosmos(scans)
    with pytest.raises(InputError, match="two or more orientations, got 1"):
        cosmos(scans[:1])


def test_scans_that_do_not_belong_together_are_refused(case):
    scans = list(multi_orientation(*case, SIXTY, noise=0.001, generator=np.random.default_rng(0)))
    with pytest.raises(InputError, match="1 of 3 orientations have a noise map"):
        cosmos([scans[0], *(replace(s, field_noise=None) for s in scans[1:])])
    with pytest.raises(InputError, match="must be positive inside the mask"):
        cosmos([replace(s, field_noise=torch.zeros(case[1].shape)) for s in scans])
    with pytest.raises(InputError, match="solver must be lsqr or closed"):
        cosmos(scans, "magic")
    other = replace(scans[2].grid, voxel_size=(1.0, 1.0, 2.2), affine=None)
    with pytest.raises(InputError, match="scan 3 of 3 lies on another grid"):
        cosmos([*scans[:2], replace(scans[2], grid=other)])
    left, right = torch.zeros_like(case[1]), torch.zeros_like(case[1])
    left[:10], right[20:] = case[1][:10], case[1][20:]
    with pytest.raises(InputError, match="share no voxel"):
        cosmos([replace(scans[0], mask=left), replace(scans[1], mask=right), scans[2]])
