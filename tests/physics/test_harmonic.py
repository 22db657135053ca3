"""A field splits into what sources outside could make and what its Laplacian tells."""

import numpy as np
import pytest
import torch

from qsmbench.core.grid import Grid
from qsmbench.physics.dipole import forward_field
from qsmbench.physics.harmonic import without_harmonic

SHAPE, VOXEL = (26, 24, 20), (1.0, 1.2, 1.7)


def ball():
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    return (x, y, z), x**2 + y**2 + z**2 < 0.8


def norm(field, mask):
    return float(np.linalg.norm(field[mask]))


def test_discretely_harmonic_fields_vanish():
    (x, y, z), mask = ball()
    # In mm; differences of quadratic polynomials are exact.
    x, y, z = (c * (n - 1) / 2 * v for c, n, v in zip((x, y, z), SHAPE, VOXEL, strict=True))
    for field in (np.ones(SHAPE), x + 2 * y - z, x * y, x**2 - z**2, 2 * y**2 - x**2 - z**2):
        left = without_harmonic(field.astype(np.float32), mask, VOXEL)
        assert norm(left, mask) < 2e-3 * norm(field, mask)


def test_fields_of_sources_outside_vanish_and_of_those_inside_stay():
    (x, y, z), mask = ball()
    grid = Grid(SHAPE, VOXEL, (0.1, 0.2, 0.97))
    outside, inside = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32)
    outside[(np.abs(x) > 0.85) & (np.abs(y) > 0.7)] = 1
    inside[(x - 0.2) ** 2 + y**2 + z**2 < 0.06] = 0.1
    background, local = (forward_field(torch.from_numpy(chi), grid).numpy() for chi in (outside, inside))
    assert norm(without_harmonic(background, mask, VOXEL), mask) < 0.05 * norm(background, mask)
    kept = without_harmonic(local, mask, VOXEL)
    assert norm(kept, mask) > 0.9 * norm(local, mask)
    # The two parts are orthogonal, and taking the harmonic part off again changes nothing.
    assert float((kept * (local - kept))[mask].sum()) == pytest.approx(0, abs=1e-2 * norm(local, mask) ** 2)
    assert norm(without_harmonic(kept, mask, VOXEL) - kept, mask) < 1e-2 * norm(local, mask)
    both = without_harmonic(local + background, mask, VOXEL, tolerance=1e-5)
    assert norm(both - kept, mask) < 0.1 * norm(local, mask)


def test_a_mask_without_interior_knows_nothing():
    mask = np.zeros(SHAPE, bool)
    mask[4, 5:9, 6] = True
    assert not without_harmonic(np.ones(SHAPE, np.float32), mask, VOXEL).any()
