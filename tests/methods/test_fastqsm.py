"""FastQSM: the share of k-space it trusts, and what the map is good for."""

import numpy as np
import pytest
import torch
from unplaced import invert_as_given

from qsmbench.core.grid import Grid
from qsmbench.methods.fastqsm import fast_qsm, trust
from qsmbench.methods.percentile_weights import falling_weights, percentiles
from qsmbench.methods.tkd import TKD
from qsmbench.physics.dipole import DipoleConvolution, dipole_kernel


@pytest.mark.parametrize("shape", [(20, 18, 16), (21, 15, 17)])
def test_trust_ranks_the_whole_of_k_space(shape):
    grid = Grid(shape, (0.8, 1.0, 2.2), (0.31, -0.22, 0.92))
    half = dipole_kernel(shape, grid.voxel_size, grid.b0_dir, torch.float64)
    whole = np.fft.fftn(np.fft.irfftn(half.numpy(), s=shape, axes=(0, 1, 2))).real
    a, b = np.percentile(abs(whole), (1, 30))
    w = trust(half, shape[2])
    expected = np.clip((half.abs() ** 0.001 - a**0.001) / (b**0.001 - a**0.001), 0, 1)
    np.testing.assert_allclose(w, expected, atol=1e-4)


def test_trust_keeps_its_precision_in_float32():
    shape = (32, 32, 32)
    single, double = (dipole_kernel(shape, (1.0, 1.0, 1.0), dtype=t) for t in (torch.float32, torch.float64))
    np.testing.assert_allclose(trust(single, 32), trust(double, 32), atol=1e-4)


def test_the_map_has_the_scale_of_tkd_and_its_edges(small_scan, small_chi):
    fast = fast_qsm(small_scan, DipoleConvolution(small_scan.grid))
    inside = small_scan.mask
    tkd = invert_as_given(TKD(threshold=1 / 8), small_scan)
    assert float(fast[inside].mean()) == pytest.approx(float(tkd[inside].mean()), abs=1e-6)
    difference = (tkd - fast)[inside].double()
    # Least squares leaves a residual orthogonal to what was fitted.
    cosine = float(difference @ (fast[inside].double() - fast[inside].double().mean())) / float(difference.norm())
    assert abs(cosine) < 1e-5
    assert np.corrcoef(fast[inside], small_chi[inside.numpy()])[0, 1] > 0.75
    assert bool((fast[~inside] == 0).all())


def test_ramp_between_exact_percentiles():
    values = torch.arange(101.0)
    where = torch.ones(101, dtype=torch.bool)
    assert percentiles(values, (50, 70)) == (50.0, 70.0)
    w = falling_weights(values, where, (50, 70))
    assert w[[0, 50, 60, 70, 100]].tolist() == [1, 1, 0.5, 0, 0]
    assert float(falling_weights(values, values > 1000, (50, 70)).sum()) == 0


def test_ramp_over_one_value_is_a_step():
    values = torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0])
    assert falling_weights(values, torch.ones(5, dtype=torch.bool), (20, 60)).tolist() == [1, 1, 1, 1, 0]
