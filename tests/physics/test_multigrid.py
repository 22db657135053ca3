"""Poisson's equation on domains of any shape."""

import numpy as np
import pytest

from qsmbench.physics.multigrid import Poisson


def domain_of(shape):
    """A ball with a bay, a hole and a bridge of one voxel to an island."""
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    inside = x**2 + y**2 + z**2 < 0.6
    inside &= (x - 0.7) ** 2 + y**2 + z**2 > 0.1
    inside &= x**2 + (y + 0.3) ** 2 + z**2 > 0.01
    inside[1:4, 1:4, 1:4] = True
    return inside


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 0.5, 2.0), (3.0, 0.7, 1.0)])
@pytest.mark.parametrize("shape", [(33, 40, 21), (50, 17, 8), (12, 12, 1)])
def test_the_solution_is_found_in_a_few_steps(shape, spacing):
    rng = np.random.default_rng(0)
    domain = domain_of(shape) if min(shape) > 4 else np.pad(np.ones((10, 10, 1), bool), ((1, 1), (1, 1), (0, 0)))
    truth = np.where(domain, rng.standard_normal(shape), 0).astype(np.float32)
    padded = np.pad(truth, 1)
    weights = [(min(spacing) / h) ** 2 for h in spacing]
    b = sum(w * (2 * padded - np.roll(padded, 1, axis) - np.roll(padded, -1, axis)) for axis, w in enumerate(weights))[
        1:-1, 1:-1, 1:-1
    ]
    equation = Poisson(domain, spacing)
    np.testing.assert_allclose(equation.source(truth), np.where(domain, b, 0), atol=1e-5)
    solution = equation.solve(np.where(domain, b, 0).astype(np.float32), tolerance=1e-6, max_iterations=40)
    assert solution.n_iterations < 40
    np.testing.assert_allclose(solution.x, truth, atol=1e-3)


def test_a_harmonic_field_leaves_nothing():
    x, y, z = np.meshgrid(np.arange(20) * 0.5, np.arange(24) * 0.5, np.arange(12) * 2.0, indexing="ij")
    field = (x**2 - 2 * y**2 + z**2 + x * y - 3 * z).astype(np.float32)
    equation = Poisson(domain_of(field.shape), (0.5, 0.5, 2.0))
    x = equation.solve(equation.source(field), tolerance=1e-5, max_iterations=40).x
    assert float(x.abs().max()) < 1e-4 * np.ptp(field)


def test_an_empty_domain_has_an_empty_solution():
    equation = Poisson(np.zeros((4, 5, 6), bool), (1.0, 1.0, 1.0))
    assert equation.solve(np.zeros((4, 5, 6), np.float32), tolerance=1e-3, max_iterations=3).n_iterations == 0
