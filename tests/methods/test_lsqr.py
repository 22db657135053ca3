"""LSQR against a dense solver, and its bookkeeping."""

import numpy as np
import pytest
import torch

from qsmbench.methods.lsqr import lsqr


def problem(m, n, seed=0):
    rng = np.random.default_rng(seed)
    A = torch.from_numpy(rng.standard_normal((m, n)))
    return A, torch.from_numpy(rng.standard_normal(m))


def solve(A, b, tolerance, max_iterations):
    return lsqr(lambda x: A @ x, lambda y: A.T @ y, b, tolerance=tolerance, max_iterations=max_iterations)


@pytest.mark.parametrize(("m", "n"), [(30, 12), (12, 12), (12, 30)])
def test_it_finds_the_least_squares_solution_of_least_norm(m, n):
    A, b = problem(m, n)
    found = solve(A, b, 1e-13, 200)
    expected = np.linalg.lstsq(A.numpy(), b.numpy(), rcond=None)[0]
    np.testing.assert_allclose(found.x, expected, atol=1e-8)
    assert found.converged


def test_the_reported_residuals_are_true_and_never_rise():
    A, b = problem(40, 20)
    for n_iterations in (1, 3, 8):
        found = solve(A, b, 1e-14, n_iterations)
        assert found.n_iterations == n_iterations
        assert not found.converged
        true = float((A @ found.x - b).norm() / b.norm())
        assert found.residuals[-1] == pytest.approx(true, rel=1e-9)
        assert all(later <= earlier for earlier, later in zip(found.residuals, found.residuals[1:], strict=False))


def test_a_loose_tolerance_ends_it_early():
    A, b = problem(20, 20)
    found = solve(A, b, 0.3, 100)
    assert found.converged
    assert found.n_iterations < 20


def test_nothing_to_solve_gives_zero():
    A, b = problem(6, 4)
    for right in (torch.zeros_like(b), b - A @ torch.linalg.lstsq(A, b).solution):
        found = solve(A, right, 1e-3, 10)
        torch.testing.assert_close(found.x, torch.zeros(4, dtype=torch.float64), rtol=0, atol=1e-12)


def test_one_step_is_exact_for_an_orthogonal_operator():
    Q = torch.linalg.qr(problem(8, 8)[0]).Q
    b = torch.arange(8.0, dtype=torch.float64)
    found = solve(Q, b, 1e-12, 10)
    assert found.n_iterations == 1
    torch.testing.assert_close(Q @ found.x, b)


def test_the_right_hand_side_is_left_alone():
    A, b = problem(9, 5)
    before = b.clone()
    solve(A, b, 1e-6, 5)
    assert torch.equal(b, before)
