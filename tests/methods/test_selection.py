"""Lambda chosen from the scan: the histogram is exact, and the choice is near the best there is."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.core.scan import Scan
from qsmbench.methods.l2 import L2
from qsmbench.methods.selection import LAMBDAS, tradeoff
from qsmbench.physics.dipole import DipoleConvolution, forward_field
from qsmbench.physics.fourier import FourierFilter, rfftn
from qsmbench.physics.gradient import gradient_power


def phantom(noise, shape=(48, 40, 36)):
    """A smooth head with edges, its field, and white noise of ``noise`` ppm."""
    rng = np.random.default_rng(11)
    grid = Grid(shape, (1.0, 1.2, 1.4), (0.2, 0.1, 0.97))
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    mask = sum(a**2 for a in axes) < 0.8
    chi = 0.05 * np.sign(gaussian_filter(rng.standard_normal(shape), 3)) * mask
    chi = torch.from_numpy(gaussian_filter(chi, 0.7).astype(np.float32) * mask)
    field = forward_field(chi, grid) + noise * torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
    return Scan(field, torch.from_numpy(mask), grid, field_noise=torch.full(shape, noise)), chi


def error(chi, truth, mask):
    return float((chi - truth)[mask].norm() / truth[mask].norm())


@pytest.mark.parametrize("shape", [(12, 10, 8), (11, 9, 7)])
def test_the_histogram_gives_the_true_residual_and_seminorm(shape):
    grid = Grid(shape, (0.8, 1.0, 2.2), (0.31, -0.22, 0.92))
    dipole = DipoleConvolution(grid, 1, dtype=torch.float64)
    penalty = gradient_power(shape, grid.voxel_size, torch.float64)
    field = torch.from_numpy(np.random.default_rng(0).standard_normal(shape))
    # The origin, which neither term sees, is left out of both.
    field -= field.mean()
    curves = tradeoff(rfftn(field, shape), dipole.kernel, penalty, shape[2])
    for index in (200, 400, 500):
        lam = LAMBDAS[index]
        denominator = dipole.kernel**2 + lam * penalty
        denominator[0, 0, 0] = 1
        chi = FourierFilter(dipole.kernel / denominator, shape, shape)(field)
        n = field.numel()
        residual = float((dipole(chi) - field).square().sum()) * n / (n - 1)
        assert curves.residual[index] == pytest.approx(residual, rel=0.02)
        seminorm = float((FourierFilter(penalty.sqrt(), shape, shape)(chi)).square().sum()) * n / (n - 1)
        assert curves.seminorm[index] == pytest.approx(seminorm, rel=0.02)


# The discrepancy principle takes what the mask cuts off for signal where that exceeds the noise: not so at 8 ppb.
@pytest.mark.parametrize(
    ("selection", "noise"), [("auto", 0.002), ("auto", 0.008), ("gcv", 0.002), ("gcv", 0.008), ("discrepancy", 0.008)]
)
def test_the_choice_is_near_the_best(selection, noise):
    scan, truth = phantom(noise)
    found = error(L2(selection=selection)(scan), truth, scan.mask)
    best = min(error(L2(regularization=lam)(scan), truth, scan.mask) for lam in np.logspace(-4, 0, 17))
    assert found < 1.05 * best


@pytest.mark.parametrize("selection", ["auto", "gcv", "discrepancy"])
def test_more_noise_is_smoothed_more(selection):
    chosen = [L2(selection=selection).choose(phantom(noise)[0]) for noise in (0.001, 0.004, 0.016)]
    assert chosen[0] < chosen[1] < chosen[2]


@pytest.mark.parametrize("selection", ["gcv", "discrepancy", "lcurve"])
def test_the_choice_does_not_depend_on_the_unit(selection):
    scan, _ = phantom(0.001)
    tenfold = replace(scan, local_field=10 * scan.local_field, field_noise=10 * scan.field_noise)
    method = L2(selection=selection)
    try:
        chosen = method.choose(scan)
    except InputError as error_:
        assert "no corner" in str(error_)
        with pytest.raises(InputError, match="no corner"):
            method.choose(tenfold)
    else:
        assert method.choose(tenfold) == pytest.approx(chosen, rel=0.03)


def test_the_corner_of_a_true_l_is_found():
    # Strong samples that hold the signal, weak ones that hold a little noise: the corner lies between their q.
    q = torch.cat([torch.full((60,), 1e-1), torch.full((60,), 1e-5)]).reshape(1, 2, 60)
    spectrum = torch.cat([torch.full((60,), 1.0), torch.full((60,), 1e-3)]).reshape(1, 2, 60).to(torch.complex64)
    from qsmbench.methods.selection import by_lcurve

    chosen = by_lcurve(tradeoff(spectrum, q.sqrt(), torch.ones_like(q), 119))
    assert 1e-5 < chosen < 1e-1


def test_what_is_missing_is_said(small_scan):
    with pytest.raises(InputError, match="needs the noise of the field"):
        L2(selection="discrepancy")(replace(small_scan, field_noise=None))
    with pytest.raises(InputError, match="zero everywhere"):
        L2(selection="gcv")(replace(small_scan, local_field=torch.zeros(small_scan.grid.shape)))


def test_a_given_lambda_stays_as_it_is_and_else_the_choice_is_noted(small_scan):
    assert L2(regularization=5e-3).choose(small_scan) == 5e-3
    assert L2(regularization=5e-3).reconstruct(small_scan).notes == ()
    assert f"{L2().choose(small_scan):.3g} mm^2" in L2().reconstruct(small_scan).notes[-1]
    with_curve = L2(preset="paper").reconstruct(small_scan).notes[-1]
    assert "selection=lcurve" in with_curve


def test_errors_on_the_cosmos_head(head):
    scan, truth = head(0.0025)
    fixed, chosen = (error(L2(selection=s)(scan), truth, scan.mask) for s in ("auto", "gcv"))
    assert fixed < 0.381
    assert chosen < 0.381
