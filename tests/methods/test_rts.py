"""Rapid two-step inversion."""

import numpy as np
import pytest
import scipy.sparse.linalg
import torch
from unplaced import invert_as_given

from qsmbench.core.grid import Grid
from qsmbench.core.scan import Scan
from qsmbench.methods.rts import RTS, _conjugate_residuals
from qsmbench.physics.dipole import dipole_kernel, forward_field
from qsmbench.physics.fourier import FourierFilter, rfftn

GRID = Grid((24, 20, 18), (1.0, 1.0, 1.4), (0.2, 0.1, 0.97))


@pytest.fixture(scope="module")
def chi():
    chi = torch.zeros(GRID.shape)
    chi[7:13, 6:12, 5:10] = 0.1
    chi[15:19, 8:12, 9:13] = -0.05
    return chi


@pytest.fixture(scope="module")
def scan(chi):
    """Periodic and fully masked: what step 1 can determine it determines exactly."""
    return Scan(forward_field(chi, GRID, 1.0), torch.ones(GRID.shape, dtype=torch.bool), GRID)


def test_well_conditioned_k_space_is_recovered(chi, scan):
    found = invert_as_given(RTS(lsmr_iterations=60, tolerance=1e-4, max_iterations=500), scan)
    kernel = dipole_kernel(GRID.shape, GRID.voxel_size, GRID.b0_dir)
    strong = kernel.abs() > 0.15
    difference, wanted = rfftn(found - chi, GRID.shape)[strong], rfftn(chi, GRID.shape)[strong]
    assert float(difference.abs().norm() / wanted.abs().norm()) < 0.01


def test_total_variation_fills_in_the_rest(chi, scan):
    """Step 2 brings back what is piecewise constant, most of the ill-conditioned part included."""
    found = invert_as_given(RTS(lsmr_iterations=60, tolerance=1e-4, max_iterations=500), scan)
    residual = found - found.mean() - chi + chi.mean()
    assert float(residual.norm() / (chi - chi.mean()).norm()) < 0.1


def test_step_one_is_lsmr(chi):
    """Conjugate residuals on D^2 x = D f give the iterates of scipy's LSMR on D x = f."""
    shape = GRID.shape
    kernel = dipole_kernel(shape, GRID.voxel_size, GRID.b0_dir, torch.float64)
    convolve, twice = FourierFilter(kernel, shape, shape), FourierFilter(kernel**2, shape, shape)
    field = convolve(chi.double())
    n = field.numel()

    def apply(v):
        return convolve(torch.from_numpy(np.asarray(v).reshape(shape))).numpy().ravel()

    operator = scipy.sparse.linalg.LinearOperator((n, n), matvec=apply, rmatvec=apply, dtype=np.float64)
    expected = scipy.sparse.linalg.lsmr(operator, field.numpy().ravel(), atol=0, btol=0, maxiter=5)[0]
    found = _conjugate_residuals(twice, convolve(field), 5).numpy().ravel()
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_anisotropic_oblique_masked_scan_is_sensible(small_scan, small_chi):
    found, mask = RTS()(small_scan).numpy(), small_scan.mask.numpy()
    assert np.corrcoef(found[mask], small_chi[mask])[0, 1] > 0.7


@pytest.mark.parametrize("scale", [20.0, -20.0])
def test_strong_sources_stay_finite_and_bounded(chi, scale):
    strong = Scan(forward_field(scale * chi, GRID), chi > -1, GRID)
    found = RTS()(strong)
    assert bool(torch.isfinite(found).all())
    assert float(found.abs().max()) < 4


def test_no_field_gives_no_chi(chi, scan):
    assert float(RTS()(Scan(0 * scan.local_field, scan.mask, GRID)).abs().max()) == 0
