"""Differences and shrinkage: adjoints, and the fused CPU passes against plain torch."""

import numpy as np
import pytest
import torch

from qsmbench.physics.differences import gradient, gradient_adjoint, reweighted, weighted_laplacian
from qsmbench.physics.shrinkage import reflected_divergence, shrink_update

H = (0.8, 1.0, 2.3)


@pytest.fixture(params=[(7, 6, 5), (1, 4, 3), (8, 2, 1)])
def volumes(request):
    rng = np.random.default_rng(0)
    shape = request.param
    draw = [rng.standard_normal(s).astype(np.float32) for s in (shape, (3, *shape), (3, *shape))]
    return tuple(torch.from_numpy(v) for v in draw)


def test_gradient_and_its_adjoint(volumes):
    x, g, _ = volumes
    left = torch.sum(gradient(x, H).double() * g)
    right = torch.sum(x.double() * gradient_adjoint(g, H))
    assert float(left - right) == pytest.approx(0, abs=1e-4)
    assert float(gradient(torch.ones_like(x), H).abs().max()) == 0


def test_weighted_laplacian_is_what_it_says(volumes):
    x, g, _ = volumes
    weight = g.abs()
    expected = gradient_adjoint(gradient(x, H) * weight, H)
    torch.testing.assert_close(weighted_laplacian(x, weight, H), expected, rtol=0, atol=2e-5)


def test_weights_turn_the_quadratic_form_into_the_l1_norm(volumes):
    x, g, _ = volumes
    smooth = g > 0
    weight = reweighted(x, smooth, 1e-12, H)
    norm = float((gradient(x, H) * smooth).abs().sum())
    assert float(torch.sum(x * weighted_laplacian(x, weight, H))) == pytest.approx(norm, rel=1e-4)


def test_one_variable_follows_the_textbook_iteration(volumes):
    """z = soft(a v + (1 - a) z + s), s += a v + (1 - a) z_old - z, against the fused single variable."""
    first, g, _ = volumes
    t, a = 0.3, 1.5
    z, s = torch.zeros_like(g), torch.zeros_like(g)
    u = torch.zeros_like(g)
    for step in range(4):
        x = first * (1 + 0.2 * step)
        v = torch.stack([(x.roll(-1, axis) - x) / h for axis, h in enumerate(H)])
        relaxed = a * v + (1 - a) * z
        z = torch.sign(relaxed + s) * torch.clamp((relaxed + s).abs() - t, min=0)
        s = s + relaxed - z
        shrink_update(u, x, t, a, H)
        torch.testing.assert_close(u.clamp(-t, t), s, rtol=0, atol=1e-5)
        expected = sum(((z - s)[axis].roll(1, axis) - (z - s)[axis]) / h for axis, h in enumerate(H))
        torch.testing.assert_close(reflected_divergence(u, t, H), expected, rtol=0, atol=2e-5)
