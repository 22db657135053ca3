"""SIREN and the grid field: statistics, interpolation, pieces."""

import numpy as np
import pytest
import torch

from qsmbench.core.grid import Grid
from qsmbench.methods.neural_fit import lattice_axes
from qsmbench.networks.deep_prior import DeepPrior
from qsmbench.networks.grid_field import GridField
from qsmbench.networks.lattice import pieces
from qsmbench.networks.siren import Siren


def test_siren_keeps_its_activations_distribution_through_all_layers():
    """Sitzmann 2020, section 3.2: before each sine a standard normal, after it an arcsine distribution."""
    torch.manual_seed(0)
    net = Siren(2.0, layers=6, width=256, omega=30.0)
    x = torch.rand(4000, 3) * 2 - 1
    for i, layer in enumerate(net.hidden):
        before = net.omega * layer(x).detach()
        x = torch.sin(before)
        if i:
            # The biases (uniform in 1 / sqrt(n_in), times w0) only shift a unit's phase.
            before = before - net.omega * layer.bias.detach()
            assert abs(float(before.mean())) < 0.25
            assert 0.85 < float(before.std()) < 1.15
        assert float(x.std()) == pytest.approx(np.sqrt(0.5), abs=0.04)


def test_siren_weights_are_within_sitzmanns_bounds():
    net = Siren(2.0, layers=3, width=64, omega=40.0)
    first, *rest = [layer.weight.detach() for layer in [*net.hidden, net.last]]
    assert 0.9 / 3 < float(first.abs().max()) <= 1 / 3
    for weight in rest:
        assert 0.9 * np.sqrt(6 / 64) / 40 < float(weight.abs().max()) <= np.sqrt(6 / 64) / 40


def test_siren_coordinates_follow_the_voxels_anisotropy():
    net = Siren(20.0, layers=2, width=8)
    axes = lattice_axes(Grid((10, 4, 4), (1.0, 1.0, 5.0)))
    index = torch.tensor([0, 17, 159])
    x, y, z = (a[i] for a, i in zip(axes, (index // 16, index // 4 % 4, index % 4), strict=True))
    points = torch.stack([x, y, z], dim=1).float() / 10
    assert float(points.abs().max()) == pytest.approx(0.75)
    torch.testing.assert_close(net.on_lattice(axes, index), net(points))


def test_pieces_hold_every_voxel_once_and_in_order():
    inside = torch.from_numpy(np.random.default_rng(0).random((7, 5, 6)) < 0.6)
    found = list(pieces(inside, 13))
    assert max(len(index) for index in found) <= 13
    assert torch.equal(torch.cat(found), inside.flatten().nonzero()[:, 0])


@pytest.fixture
def grid():
    return Grid((12, 9, 7), (0.8, 1.0, 2.2))


def net_of(grid, **options):
    torch.manual_seed(1)
    return GridField(grid.shape, grid.voxel_size, **options)


def test_a_field_in_pieces_is_the_field(grid):
    net, axes = net_of(grid), lattice_axes(grid)
    inside = torch.ones(grid.shape, dtype=torch.bool)
    torch.testing.assert_close(net.sample(axes, inside, 50), net.sample(axes, inside, 10**6))


def test_a_patch_of_the_lattice_is_the_lattices_patch(grid):
    net, axes = net_of(grid), lattice_axes(grid)
    whole = net.sample(axes, torch.ones(grid.shape, dtype=torch.bool), 1000)
    box = (slice(3, 9), slice(2, 9), slice(1, 5))
    part = net.sample([a[s] for a, s in zip(axes, box, strict=True)], torch.ones(6, 7, 4, dtype=torch.bool), 1000)
    torch.testing.assert_close(part, whole[box])


def test_a_grid_field_takes_over_a_map(grid):
    volume = torch.from_numpy(np.random.default_rng(2).standard_normal(grid.shape, dtype=np.float32))
    net = net_of(grid)
    net.start_from(volume)
    found = net.sample(lattice_axes(grid), torch.ones(grid.shape, dtype=torch.bool), 1000)
    torch.testing.assert_close(found, volume, rtol=0, atol=0.02)


def test_between_voxels_a_grid_field_is_trilinear(grid):
    """Of one level and no mixing network, on a field linear in space: exact but for the constant rim."""
    x, y, z = lattice_axes(grid)
    linear = (0.3 * x[:, None, None] - 0.2 * y[None, :, None] + 0.1 * z).float()
    net = net_of(grid, levels=1, features=1, width=0)
    with torch.no_grad():
        net.grids[0].zero_()
    net.start_from(linear)
    fx, fy, fz = lattice_axes(grid, 2)
    fine = net.sample((fx, fy, fz), torch.ones([2 * n for n in grid.shape], dtype=torch.bool), 10**6)
    expected = (0.3 * fx[:, None, None] - 0.2 * fy[None, :, None] + 0.1 * fz).float()
    inner = (slice(1, -1),) * 3
    torch.testing.assert_close(fine[inner], expected[inner], rtol=0, atol=1e-5)


def test_grids_are_nested_and_never_finer_than_voxels(grid):
    net = net_of(grid, levels=3)
    assert net.spacings == [(3.2, 3.2, 3.2), (1.6, 1.6, 2.2), (0.8, 1.0, 2.2)]
    assert net.grids[-1].shape[1:] == grid.shape


def test_deep_prior_draws_any_shape_from_zero():
    net = DeepPrior(channels=2, levels=3)
    drawn = net(torch.rand(1, 2, 11, 8, 5))
    assert drawn.shape == (11, 8, 5)
    assert float(drawn.detach().abs().max()) == 0
