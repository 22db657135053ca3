"""MEDI: what its objective promises, on small volumes."""

from dataclasses import replace
from itertools import pairwise

import nibabel as nib
import numpy as np
import pytest
import torch
from unplaced import invert_as_given

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.core.scan import Scan
from qsmbench.core.units import ppm_to_rad
from qsmbench.methods.medi import MEDI
from qsmbench.methods.medi_weights import data_weights, smooth_components
from qsmbench.physics.dipole import forward_field

GRID = Grid((28, 26, 24), (1.0, 1.0, 1.2), (0.1, 0.2, 0.97))


def balls(scale=1.0):
    """A head of 0 ppm with two balls of +0.1 and -0.06 ppm, and its mask."""
    x, y, z = np.meshgrid(*[np.arange(n) - n / 2 for n in GRID.shape], indexing="ij")
    chi = np.zeros(GRID.shape, np.float32)
    chi[(x - 4) ** 2 + y**2 + z**2 < 16] = 0.1 * scale
    chi[(x + 5) ** 2 + (y - 1) ** 2 + z**2 < 9] = -0.06 * scale
    return chi, (x / 12) ** 2 + (y / 11) ** 2 + (z / 10) ** 2 < 1


def scan_of(chi, mask, noise=0.0, **given):
    field = forward_field(torch.from_numpy(chi), GRID).numpy()
    field = field + np.random.default_rng(2).normal(scale=noise, size=field.shape)
    given = {"magnitude": 1 + np.abs(chi), "b0": 3.0, "echo_times": (0.007, 0.014), **given}
    return Scan(field.astype(np.float32), mask, GRID, **given)


@pytest.fixture(scope="module")
def truth():
    return balls()


@pytest.fixture(scope="module")
def scan(truth):
    return scan_of(*truth, noise=5e-4)


def error(chi, truth, mask):
    """RMSE in % after taking both means away, as the mean of chi is not in the field."""
    a, b = chi.numpy()[mask], truth[mask]
    return 100 * np.linalg.norm(a - a.mean() - b + b.mean()) / np.linalg.norm(b - b.mean())


def test_known_edges_and_a_clean_field_recover_piecewise_constant_chi(truth):
    exact = MEDI(fidelity=1e5, tolerance=1e-3, cg_tolerance=1e-4, cg_max_iterations=500, max_iterations=30, padding=2.0)
    assert error(exact(scan_of(*truth)), *truth) < 1.5


@pytest.mark.parametrize("data_term", ["nonlinear", "linear"])
def test_the_objective_falls_in_every_step(scan, data_term):
    _, steps, _ = MEDI(data_term=data_term, tolerance=0.0, max_iterations=8).solve(scan)
    objectives = [step.objective for step in steps]
    assert len(objectives) == 8
    assert all(b <= a * (1 + 1e-6) for a, b in pairwise(objectives))


def test_the_nonlinear_data_term_does_not_see_wraps(truth, scan):
    """Whole turns added to the field change nothing, and ruin the linear variant."""
    period = 2 * np.pi / ppm_to_rad(1.0, 3.0, 0.007)
    turns = torch.from_numpy(np.random.default_rng(3).integers(-1, 2, GRID.shape).astype(np.float32))
    wrapped = replace(scan, local_field=scan.local_field + period * turns)
    # At one lambda: the error of a wrapped field, by which it is chosen otherwise, is another.
    paper = MEDI(preset="paper")
    chi = paper(scan)
    assert error(paper(wrapped), chi.numpy(), truth[1]) < 0.5
    assert error(replace(paper, data_term="linear")(wrapped), chi.numpy(), truth[1]) > 100


def test_the_linear_variant_scales(scan):
    """min |Gx| + lambda |Dx - f|^2 at twice the field and half the lambda is twice the minimum."""
    once = MEDI(data_term="linear", fidelity=1000.0)(scan)
    doubled = replace(scan, local_field=2 * scan.local_field)
    twice = MEDI(data_term="linear", fidelity=500.0, epsilon=4e-6)(doubled)
    torch.testing.assert_close(twice, 2 * once, rtol=0, atol=1e-5)


def test_small_phase_makes_both_data_terms_alike(truth, scan):
    assert error(MEDI(data_term="linear")(scan), MEDI()(scan).numpy(), truth[1]) < 1


def test_a_lone_local_field_is_enough(truth):
    """No magnitude, B0 or echo times: 3 T and 7 ms are assumed, as if given, and every component is regularized."""
    lone = scan_of(*truth, noise=5e-4, magnitude=None, b0=None, echo_times=())
    chi = MEDI()(lone)
    assert error(chi, *truth) < 40
    given = replace(lone, b0=3.0, echo_times=(0.004, 0.011))
    assert torch.equal(chi, MEDI()(given))
    assert torch.equal(chi, MEDI(echo_spacing=0.007)(replace(given, echo_times=(0.02,))))


@pytest.mark.parametrize("data_term", ["nonlinear", "linear"])
@pytest.mark.parametrize("scale", [20.0, -20.0])
def test_strong_sources_stay_finite_and_bounded(data_term, scale):
    """2 ppm turn the phase by more than pi a dTE: ambiguous for the exponentials, but nothing runs away."""
    chi, mask = balls(scale)
    found, steps, _ = MEDI(data_term=data_term, tolerance=0.0).solve(scan_of(chi, mask))
    assert bool(torch.isfinite(found).all())
    assert float(found.abs().max()) < (6 if data_term == "nonlinear" else 2.5)
    assert all(b.objective <= a.objective * (1 + 1e-6) for a, b in pairwise(steps))


def test_no_field_gives_no_chi(truth):
    chi, mask = truth
    assert float(MEDI()(scan_of(0 * chi, mask)).abs().max()) == 0


def test_noisy_voxels_count_less(truth):
    """A region of wild field does little harm where the noise map knows of it."""
    chi, mask = truth
    clean = scan_of(chi, mask, noise=5e-4)
    wild = torch.zeros(GRID.shape, dtype=torch.bool)
    wild[12:17, 6:10, 9:14] = True
    burst = torch.from_numpy(np.random.default_rng(4).normal(scale=0.1, size=GRID.shape).astype(np.float32))
    dirty = replace(clean, local_field=clean.local_field + burst * wild)
    known = replace(dirty, field_noise=torch.where(wild, 0.1, 5e-4))
    assert error(MEDI()(known), *truth) < 0.6 * error(MEDI()(dirty), *truth)


def test_merit_turns_outliers_down(truth, scan):
    outliers = torch.from_numpy(np.random.default_rng(5).random(GRID.shape) < 0.004)
    dirty = replace(scan, local_field=scan.local_field + 0.2 * outliers)
    options = {"tolerance": 0.0, "max_iterations": 6}
    assert error(MEDI(merit=True, **options)(dirty), *truth) < 0.8 * error(MEDI(**options)(dirty), *truth)


def test_smv_removes_a_harmonic_field_and_shrinks_the_mask(truth, scan):
    chi, mask = truth
    z = torch.linspace(-1, 1, GRID.shape[2]).expand(GRID.shape)
    tilted = replace(scan, local_field=scan.local_field + 0.05 * z)
    plain, filtered = MEDI()(tilted), MEDI(smv=True, smv_radius=3.0)(tilted)
    inner = filtered.numpy() != 0
    assert 0.2 * mask.sum() < inner.sum() < 0.7 * mask.sum()
    assert error(filtered, chi, inner) < 0.6 * error(plain, chi, inner)
    with pytest.raises(InputError, match="no voxel lies 5 mm inside the mask"):
        tiny = torch.zeros(GRID.shape, dtype=torch.bool)
        tiny[10:14, 10:14, 10:14] = True
        MEDI(smv=True)(Scan(scan.local_field, tiny, GRID))


def test_csf_mask_is_the_zero_reference(tmp_path, truth):
    chi, mask = truth
    scan = scan_of(chi, mask, noise=4e-3)
    csf = chi < 0
    path = str(tmp_path / "csf.nii.gz")
    nib.save(nib.Nifti1Image(csf.astype(np.uint8), GRID.matrix), path)
    found = MEDI(csf_mask=path)(scan)
    assert abs(float(found[torch.from_numpy(csf)].mean())) < 1e-6
    spreads = [MEDI(csf_mask=path, csf_fidelity=f)(scan)[torch.from_numpy(csf)].std() for f in (0.0, 100.0, 1e4)]
    assert spreads[2] < 0.2 * spreads[0]
    assert spreads[2] < spreads[1] < spreads[0]
    with pytest.raises(InputError, match="cannot read the CSF mask"):
        MEDI(csf_mask=str(tmp_path / "none.nii"))(scan)
    nib.save(nib.Nifti1Image(np.zeros(GRID.shape, np.uint8), GRID.matrix), path)
    with pytest.raises(InputError, match="no voxel inside"):
        MEDI(csf_mask=path)(scan)


def test_the_number_of_threads_does_not_matter(scan):
    one = MEDI()(scan)
    torch.set_num_threads(2)
    torch.testing.assert_close(MEDI()(scan), one, rtol=0, atol=1e-7)


def test_the_mean_over_the_volume_is_zero_however_strong_the_sources(scan):
    """Nothing determines a constant; left to the iterations it can exceed chi itself."""
    whole = replace(scan, mask=torch.ones_like(scan.mask))
    found = invert_as_given(MEDI(), replace(whole, local_field=20 * whole.local_field))
    assert float(found.double().mean().abs()) < 1e-5 * float(found.abs().max())


def test_edges_are_the_strongest_share_of_components():
    rng = np.random.default_rng(6)
    image = torch.from_numpy(rng.random((14, 12, 10)).astype(np.float32))
    mask = torch.ones(image.shape, dtype=torch.bool)
    smooth = smooth_components(image, mask, 0.3, (1.0, 1.0, 1.0))
    assert int((~smooth).sum()) == pytest.approx(0.9 * mask.sum(), abs=1)
    assert bool(smooth_components(image, mask, 0.0, (1.0, 1.0, 1.0)).all())


def test_data_weights_have_mean_one_and_refuse_a_map_of_zeros():
    mask = torch.ones(4, 4, 4, dtype=torch.bool)
    noise = torch.full((4, 4, 4), 0.01)
    noise[0] = 0.03
    noise[1, 0, 0] = 0.0
    weights = data_weights(noise, mask)
    assert float(weights.mean()) == pytest.approx(1)
    assert float(weights[2, 0, 0] / weights[0, 0, 0]) == pytest.approx(3)
    assert float(weights[1, 0, 0]) == 0
    with pytest.raises(InputError, match="zero everywhere"):
        data_weights(0 * noise, mask)
