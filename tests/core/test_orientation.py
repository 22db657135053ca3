"""All 48 orders in which a volume can be stored lead to the same arrays in the same place of the world, and back."""

from itertools import permutations, product

import numpy as np
import pytest
import torch

from qsmbench.core.grid import Grid
from qsmbench.core.orientation import Orientation

ORDERS = [(axes, flips) for axes in permutations(range(3)) for flips in product((False, True), repeat=3)]


def tilted(degrees, axis=(1.0, 2.0, 0.5)):
    """An affine turned by so many degrees about ``axis``, voxels of 1 x 1.5 x 2 mm."""
    from scipy.spatial.transform import Rotation

    rotation = Rotation.from_rotvec(np.radians(degrees) * np.array(axis) / np.linalg.norm(axis)).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = rotation @ np.diag([1.0, 1.5, 2.0])
    affine[:3, 3] = [-3.0, 7.0, 11.0]
    return affine


@pytest.mark.parametrize("degrees", [0, 13, 38])
def test_every_order_becomes_the_same_array_and_place(degrees):
    data = np.arange(4 * 5 * 6, dtype=np.float32).reshape(4, 5, 6)
    grid = Grid.from_affine(data.shape, tilted(degrees))
    first = Orientation.of(grid)
    expected, place = first.apply(data), first.grid(grid)
    for axes, flips in ORDERS:
        order = Orientation(axes, flips)
        stored, there = order.apply(data), order.grid(grid)
        here = Orientation.of(there)
        np.testing.assert_array_equal(here.apply(stored), expected)
        np.testing.assert_allclose(here.grid(there).matrix, place.matrix, atol=1e-9)
        np.testing.assert_allclose(here.grid(there).b0_dir, place.b0_dir, atol=1e-9)
        np.testing.assert_array_equal(here.undo(expected), stored)
        assert torch.equal(here.undo(torch.from_numpy(expected)), torch.from_numpy(stored))


def test_a_scan_tilted_by_half_a_right_angle_has_one_order_too():
    grid = Grid.from_affine((4, 5, 6), tilted(45, (1, 0, 0)))
    places = set()
    for axes, flips in ORDERS:
        there = Orientation(axes, flips).grid(grid)
        places.add(tuple(np.round(Orientation.of(there).grid(there).matrix, 6).ravel() + 0.0))
    assert len(places) == 1
