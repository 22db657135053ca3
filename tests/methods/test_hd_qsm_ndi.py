"""HD-QSM and NDI: what each promises, on anisotropic oblique grids."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.core.scan import Scan
from qsmbench.core.units import ppm_to_rad
from qsmbench.methods.echo_spacing import radians_per_ppm
from qsmbench.methods.fast_box import fast_box
from qsmbench.methods.hd_qsm import HDQSM
from qsmbench.methods.ndi import NDI
from qsmbench.methods.tv import TV
from qsmbench.physics.dipole import forward_field

GRID = Grid((25, 24, 20), (1.0, 0.9, 1.3), (0.1, -0.2, 0.97))


@pytest.fixture(scope="module")
def truth():
    """Two boxes in a head of 0 ppm, and its mask."""
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in GRID.shape], indexing="ij")
    chi = np.zeros(GRID.shape, np.float32)
    chi[6:11, 8:14, 6:12] = 0.1
    chi[14:20, 8:15, 7:13] = -0.05
    return chi, x**2 + y**2 + z**2 < 0.8


def scan_of(truth, sd, seed=1):
    chi, mask = truth
    noise = np.random.default_rng(seed).normal(scale=sd, size=GRID.shape).astype(np.float32)
    return Scan(forward_field(torch.from_numpy(chi), GRID) + torch.from_numpy(noise), mask, GRID)


def error(chi, truth, mask):
    a, b = np.asarray(chi)[mask], np.asarray(truth)[mask]
    return 100 * np.linalg.norm(a - a.mean() - b + b.mean()) / np.linalg.norm(b - b.mean())


def test_hd_qsm_forgives_wrong_voxels(truth):
    """A few voxels of nonsense move it less than they move plain total variation of the same weight."""
    scan = scan_of(truth, 1e-3)
    wrong = scan.local_field.clone()
    picked = np.flatnonzero(truth[1].ravel())[::97]
    wrong.view(-1)[torch.from_numpy(picked)] += 0.3
    spoiled = replace(scan, local_field=wrong)
    scale = radians_per_ppm(scan, None)
    robust = HDQSM(regularization=5e-5, first_iterations=20)
    plain = TV(regularization=5e-5 * scale)
    assert error(robust(spoiled), *truth) < 0.7 * error(plain(spoiled), *truth)
    assert error(robust(scan), *truth) < 30


def test_hd_qsm_has_two_stages_and_says_its_weight(truth):
    found = HDQSM().reconstruct(scan_of(truth, 1e-3))
    first, second = found.convergence
    assert len(first.values) == 5
    assert second.values[-1] <= 1e-2
    assert any("alpha2 chosen by it" in note for note in found.notes)
    paper = HDQSM(preset="paper").reconstruct(scan_of(truth, 1e-3))
    assert len(paper.convergence[0].values) == 20
    assert not any("chosen" in note for note in paper.notes)


def test_hd_qsm_is_linear_in_units(truth):
    """Data and weight in proportion: of a field twice as strong with a weight twice as large, stage 2 gives twice."""
    scan = scan_of(truth, 1e-3)
    options = {"gradient_penalty": 100.0, "tolerance": 1e-4, "max_iterations": 500}
    once = HDQSM(regularization=1e-4, **options)(scan)
    twice = HDQSM(regularization=2e-4, **options)(replace(scan, local_field=2 * scan.local_field))
    assert float((twice - 2 * once).norm() / twice.norm()) < 0.05


def test_ndi_stops_near_the_best_number_of_steps(truth):
    for sd in (5e-4, 4e-3):
        scan = scan_of(truth, sd)
        found = NDI().reconstruct(scan)
        best = min(error(NDI(steps=n)(scan), *truth) for n in (2, 5, 10, 20, 40, 80, 160))
        assert error(found.chi, *truth) < best + 6
        assert any("steps chosen by it" in note for note in found.notes)


def test_ndi_makes_more_steps_on_a_cleaner_field(truth):
    few, many = (len(NDI().reconstruct(scan_of(truth, sd)).convergence[0].values) for sd in (8e-3, 1e-3))
    assert few < many


def test_ndi_steps_are_the_filter_that_the_choice_assumes():
    """On a periodic, fully masked grid of small fields n steps are (1 - q^n) / D."""
    grid = Grid((16, 12, 10), (1.0, 1.2, 1.5), (0.0, 0.3, 0.95))
    mask = torch.ones(grid.shape, dtype=torch.bool)
    field = 1e-3 * torch.randn(grid.shape, generator=torch.manual_seed(3))
    scan = Scan(field, mask, grid)
    with torch.no_grad():
        found = NDI(steps=7, ridge=1e-9, padding=1.0).invert(scan).chi
    kernel = fast_box(scan, 1.0).kernel
    gain = torch.where(kernel != 0, (1 - (1 - 2 * kernel**2) ** 7) / kernel, 0.0)
    expected = torch.fft.irfftn(torch.fft.rfftn(field) * gain, s=grid.shape)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6)


def test_ndi_does_not_see_wraps(truth):
    scan = scan_of(truth, 1e-3)
    turns = torch.from_numpy(np.random.default_rng(3).integers(-1, 2, GRID.shape).astype(np.float32))
    wrapped = replace(scan, local_field=scan.local_field + turns * (2 * np.pi / ppm_to_rad(1.0, 3.0, 0.007)))
    assert error(NDI(steps=10)(wrapped), NDI(steps=10)(scan), truth[1]) < 0.5


def test_a_step_that_diverges_is_refused():
    with pytest.raises(InputError, match=r"step_size must be > 0 and < 4\.5"):
        NDI(step_size=5.0)


@pytest.mark.parametrize("method", [HDQSM(), NDI()])
def test_no_field_gives_no_chi(truth, method):
    scan = scan_of(truth, 1e-3)
    assert float(method(replace(scan, local_field=0 * scan.local_field)).abs().max()) == 0
