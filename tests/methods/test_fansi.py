"""FANSI: nonlinear total variation and total generalised variation, their weight from the scan."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.ndimage
import torch

from qsmbench.core.grid import Grid
from qsmbench.core.scan import Scan
from qsmbench.core.units import ppm_to_rad
from qsmbench.methods.data_steps import absolute_step, linear_step, nonlinear_step
from qsmbench.methods.depth_weights import depth_weights
from qsmbench.methods.fansi import FANSI
from qsmbench.methods.tv import TV
from qsmbench.physics.dipole import forward_field

GRID = Grid((25, 24, 20), (1.0, 0.9, 1.3), (0.1, -0.2, 0.97))
SCALE = ppm_to_rad(1.0, 3.0, 0.007)


@pytest.fixture(scope="module")
def truth():
    """A box of 0.1 ppm and a ramp from -0.05 to 0.05 ppm in a head of 0 ppm, and its mask."""
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in GRID.shape], indexing="ij")
    chi = np.zeros(GRID.shape, np.float32)
    chi[6:11, 8:14, 6:12] = 0.1
    chi[14:20, 8:15, 7:13] = np.linspace(-0.05, 0.05, 7)[None, :, None]
    return chi, x**2 + y**2 + z**2 < 0.8


@pytest.fixture(scope="module")
def scan(truth):
    chi, mask = truth
    noise = np.random.default_rng(1).normal(scale=1e-3, size=GRID.shape).astype(np.float32)
    return Scan(forward_field(torch.from_numpy(chi), GRID) + torch.from_numpy(noise), mask, GRID)


def error(chi, truth, mask):
    a, b = np.asarray(chi)[mask], np.asarray(truth)[mask]
    return 100 * np.linalg.norm(a - a.mean() - b + b.mean()) / np.linalg.norm(b - b.mean())


@pytest.mark.parametrize("regularizer", ["tv", "tgv"])
def test_defaults_are_near_the_truth_and_say_what_they_chose(truth, scan, regularizer):
    found = FANSI(regularizer=regularizer).reconstruct(scan)
    assert error(found.chi, *truth) < 40
    assert any("alpha chosen by it" in note for note in found.notes)


def test_with_a_given_weight_it_is_the_nonlinear_tv(scan):
    ours = FANSI(regularization=3e-4, depth_weighting=False)(scan)
    theirs = TV(regularization=3e-4, data_term="nonlinear")(scan)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


def test_the_papers_preset_is_a_fixed_weight(scan):
    ours = FANSI(preset="paper").reconstruct(scan)
    assert not any("chosen" in note for note in ours.notes)
    torch.testing.assert_close(ours.chi, FANSI(regularization=2e-4, depth_weighting=False)(scan), rtol=0, atol=0)


def test_the_weight_follows_the_error_and_the_map_the_field(truth, scan):
    """A field twice as strong, error and all, gives a smoother choice: a map of less than twice the variation."""
    noisy = replace(scan, local_field=scan.local_field + 4e-3 * torch.randn(GRID.shape, generator=torch.manual_seed(0)))

    def chosen(s):
        (note,) = (n for n in FANSI(max_iterations=2).reconstruct(s).notes if n.startswith("alpha chosen"))
        return float(note.split()[4])

    assert chosen(noisy) > 2 * chosen(scan)
    assert error(FANSI()(noisy), *truth) < error(FANSI(preset="paper")(noisy), *truth)


def test_wraps_are_not_seen(truth, scan):
    turns = torch.from_numpy(np.random.default_rng(3).integers(-1, 2, GRID.shape).astype(np.float32))
    wrapped = replace(scan, local_field=scan.local_field + 2 * np.pi / SCALE * turns)
    method = FANSI(regularization=2e-4)
    assert error(method(wrapped), method(scan), truth[1]) < 0.5


def test_tgv_whose_slopes_are_too_dear_is_tv(scan):
    options = {"regularization": 1e-3, "depth_weighting": False, "tolerance": 1e-4, "max_iterations": 400}
    tv = FANSI(**options)(scan)
    tgv = FANSI(regularizer="tgv", second_order=50.0, **options)(scan)
    assert float((tgv - tv).norm() / tv.norm()) < 0.03


def test_tgv_keeps_a_ramp_that_tv_breaks_into_plateaus():
    grid = Grid((20, 18, 16), (1.0, 1.0, 1.0))
    ramp = torch.linspace(-0.1, 0.1, 12)[:, None, None].expand(12, 10, 8)
    chi = torch.zeros(grid.shape)
    chi[4:16, 4:14, 4:12] = ramp
    noise = torch.from_numpy(np.random.default_rng(2).normal(scale=2e-3, size=grid.shape)).float()
    scan = Scan(forward_field(chi, grid) + noise, torch.ones(grid.shape, dtype=torch.bool), grid)
    inside = (slice(5, 15), slice(5, 13), slice(5, 11))
    errors = {}
    for regularizer in ("tv", "tgv"):
        found = FANSI(regularizer=regularizer, regularization=5e-3, second_order=1.0, depth_weighting=False)(scan)
        second = torch.diff(found[inside], n=2, dim=0).abs()
        errors[regularizer] = float(second.mean())
    assert errors["tgv"] < 0.5 * errors["tv"]


def test_each_data_step_is_the_minimum_it_says():
    rng = np.random.default_rng(0)
    field = torch.from_numpy(rng.normal(scale=0.8, size=(4, 3, 2))).float()
    v = field + torch.from_numpy(rng.normal(scale=0.5, size=field.shape)).float()
    weights = torch.from_numpy(rng.uniform(0, 1, field.shape)).float()
    weights[0] = 0
    costs = {
        linear_step: lambda r: r.square() / 2,
        nonlinear_step: lambda r: 1 - torch.cos(r),
        absolute_step: lambda r: r.abs(),
    }
    trials = torch.linspace(-3, 3, 6001)
    for make, cost in costs.items():
        z = make(field, weights)(v, 0.7)
        assert torch.equal(z[0], v[0])
        values = weights[..., None] * cost(trials - field[..., None]) + 0.35 * (trials - v[..., None]).square()
        torch.testing.assert_close(z, trials[values.argmin(dim=-1)], rtol=0, atol=0.03)


def test_depth_weights_see_a_bad_rim_and_are_even_otherwise(truth):
    _, mask = truth
    inside = torch.from_numpy(mask)
    noise = torch.from_numpy(np.random.default_rng(4).normal(size=GRID.shape)).float()
    even = depth_weights(noise, inside, GRID.voxel_size)
    assert bool((even[~inside] == 0).all())
    assert 0.8 < float(even[inside].min()) <= float(even[inside].max()) < 1.25
    depth = torch.from_numpy(scipy.ndimage.distance_transform_edt(mask, sampling=GRID.voxel_size))
    rim = depth_weights(noise * torch.where(depth < 2, 3.0, 1.0), inside, GRID.voxel_size)
    assert float(rim[inside & (depth < 1.5)].mean()) < 0.3 * float(rim[inside & (depth > 4)].mean())
    assert torch.equal(depth_weights(0 * noise, inside, GRID.voxel_size), inside.float())


def test_no_field_gives_no_chi(scan):
    assert float(FANSI()(replace(scan, local_field=0 * scan.local_field)).abs().max()) == 0
