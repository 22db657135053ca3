"""TV by ADMM."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from unplaced import invert_as_given

from qsmbench.core.grid import Grid
from qsmbench.core.scan import Scan
from qsmbench.core.units import ppm_to_rad
from qsmbench.methods.tv import TV
from qsmbench.physics.dipole import DipoleConvolution, forward_field

GRID = Grid((27, 25, 22), (1.0, 0.9, 1.3), (0.1, -0.2, 0.97))


@pytest.fixture(scope="module")
def truth():
    """A head of 0 ppm with a box of 0.1 ppm and one of -0.05 ppm, and its mask."""
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in GRID.shape], indexing="ij")
    chi = np.zeros(GRID.shape, np.float32)
    chi[8:14, 9:15, 7:13] = 0.1
    chi[17:21, 10:14, 9:14] = -0.05
    return chi, x**2 + y**2 + z**2 < 0.8


@pytest.fixture(scope="module")
def scan(truth):
    chi, mask = truth
    field = forward_field(torch.from_numpy(chi), GRID).numpy()
    noise = np.random.default_rng(1).normal(scale=5e-4, size=field.shape)
    return Scan((field + noise).astype(np.float32), mask, GRID)


def error(chi, truth, mask):
    a, b = chi.numpy()[mask], truth[mask]
    return 100 * np.linalg.norm(a - a.mean() - b + b.mean()) / np.linalg.norm(b - b.mean())


def test_piecewise_constant_chi_is_recovered_from_a_clean_field(truth):
    chi, mask = truth
    clean = Scan(forward_field(torch.from_numpy(chi), GRID), mask, GRID)
    exact = TV(regularization=5e-5, gradient_penalty=1000.0, tolerance=1e-4, max_iterations=1000, padding=1.5)
    assert error(exact(clean), chi, mask) < 2


def test_defaults_are_near_the_truth(truth, scan):
    assert error(TV()(scan), *truth) < 20


def objective(chi, scan, regularization):
    """What the linear variant minimises, on chi that is free outside the mask (radians, 3 T, 7 ms)."""
    scale = ppm_to_rad(1.0, 3.0, 0.007)
    misfit = scale * (DipoleConvolution(scan.grid, 1.0)(chi) - scan.local_field)[scan.mask]
    steps = [(chi.roll(-1, a) - chi) / h for a, h in enumerate(scan.grid.voxel_size)]
    return 0.5 * float((misfit**2).sum()) + regularization * scale * sum(float(s.abs().sum()) for s in steps)


def test_the_limit_is_a_minimum(truth):
    """On a periodic, fully masked grid of fast sizes: no perturbation of the result lowers the objective."""
    grid = Grid((18, 16, 20), (1.0, 1.0, 1.5), (0.0, 0.0, 1.0))
    rng = np.random.default_rng(8)
    chi = torch.zeros(grid.shape)
    chi[5:10, 4:9, 6:12] = 0.1
    field = forward_field(chi, grid, 1.0) + torch.from_numpy(rng.normal(scale=0.002, size=grid.shape)).float()
    scan = Scan(field, torch.ones(grid.shape, dtype=torch.bool), grid)
    found = invert_as_given(TV(regularization=5e-4, tolerance=1e-6, max_iterations=4000), scan)
    best = objective(found, scan, 5e-4)
    assert best < objective(chi, scan, 5e-4)
    for size in (1e-3, 1e-4):
        for _ in range(3):
            step = size * torch.from_numpy(rng.standard_normal(grid.shape)).float()
            assert best < objective(found + step, scan, 5e-4)
        assert best < objective(found * (1 + 10 * size), scan, 5e-4)
        assert best < objective(found * (1 - 10 * size), scan, 5e-4)


def test_the_linear_variant_scales(scan):
    once = TV(regularization=5e-4)(scan)
    twice = TV(regularization=1e-3)(replace(scan, local_field=2 * scan.local_field))
    # The threshold alpha / mu is one over the penalty ratio: it must double with the field.
    slow = TV(regularization=1e-3, gradient_penalty=50.0)(replace(scan, local_field=2 * scan.local_field))
    torch.testing.assert_close(slow, 2 * once, rtol=0, atol=1e-6)
    assert float((twice - slow).norm() / slow.norm()) < 0.05


def test_the_nonlinear_data_term_does_not_see_wraps(truth, scan):
    period = 2 * np.pi / ppm_to_rad(1.0, 3.0, 0.007)
    turns = torch.from_numpy(np.random.default_rng(3).integers(-1, 2, GRID.shape).astype(np.float32))
    wrapped = replace(scan, local_field=scan.local_field + period * turns)
    chi = TV(5e-4, data_term="nonlinear")(scan)
    assert error(TV(5e-4, data_term="nonlinear")(wrapped), chi.numpy(), truth[1]) < 0.5
    assert error(TV(5e-4)(wrapped), chi.numpy(), truth[1]) > 100
    assert error(chi, TV(5e-4)(scan).numpy(), truth[1]) < 1


@pytest.mark.parametrize("data_term", ["nonlinear", "linear"])
def test_strong_sources_stay_finite_and_bounded(truth, data_term):
    chi, mask = truth
    strong = Scan(forward_field(torch.from_numpy(-20 * chi), GRID), mask, GRID)
    found = TV(data_term=data_term)(strong)
    assert bool(torch.isfinite(found).all())
    assert float(found.abs().max()) < 4


def test_the_chosen_weight_follows_the_error_and_doubles_with_the_field(truth, scan):
    _, mask = truth
    rng = np.random.default_rng(5)

    def alpha(noise, factor=1):
        noisy = scan.local_field + noise * torch.from_numpy(rng.standard_normal(GRID.shape, dtype=np.float32))
        found = TV(max_iterations=1).reconstruct(Scan(factor * noisy, mask, GRID))
        line = next(line for line in found.notes if line.startswith("alpha chosen"))
        return float(line.split(":")[1].split()[0])

    assert 1.5 * alpha(0.0) < alpha(0.003) < alpha(0.01) / 2
    rng = np.random.default_rng(6)
    once = alpha(0.005)
    rng = np.random.default_rng(6)
    assert alpha(0.005, factor=2) == pytest.approx(2 * once, rel=0.02)


def test_a_given_weight_or_the_papers_is_taken_as_it_is(scan):
    assert not any("chosen" in line for line in TV(regularization=3e-4).reconstruct(scan).notes)
    paper = TV(preset="paper")(scan)
    assert torch.equal(paper, TV(regularization=2e-4)(scan))


def test_no_field_gives_no_chi(scan):
    assert float(TV()(replace(scan, local_field=0 * scan.local_field)).abs().max()) == 0
