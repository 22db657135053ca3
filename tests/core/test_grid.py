"""Grid: what it refuses, and that voxel axes, B0 and the world never contradict each other."""

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid

SHAPE = (7, 6, 5)
VOXEL_SIZE = (0.8, 1.0, 2.5)

component = st.floats(-1, 1, allow_subnormal=False)
edge = st.floats(0.2, 5)


@st.composite
def poses(draw):
    """Voxel size and a scanner affine: any rotation, either handedness, any origin."""
    voxel_size = draw(st.tuples(edge, edge, edge))
    rotation = Rotation.from_rotvec(draw(st.tuples(*[st.floats(-3, 3)] * 3))).as_matrix()
    mirror = np.diag(draw(st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3)))
    affine = np.eye(4)
    affine[:3, :3] = rotation @ mirror * voxel_size
    affine[:3, 3] = draw(st.tuples(*[st.floats(-200, 200)] * 3))
    return voxel_size, affine


def rotation_of(grid: Grid) -> np.ndarray:
    return grid.matrix[:3, :3] / grid.voxel_size


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": (7, 6)}, "grid shape must be three positive integers"),
        ({"shape": (7, 6, 0)}, "grid shape must be three positive integers"),
        ({"shape": (7, 6, -5)}, "grid shape must be three positive integers"),
        ({"shape": (7, 6, 5.5)}, "grid shape must be three positive integers"),
        ({"shape": (7, 6, math.nan)}, "grid shape must be three positive integers"),
        ({"shape": (7, 6, math.inf)}, "grid shape must be three positive integers"),
        ({"voxel_size": (1.0, 1.0)}, "voxel size must be three positive lengths in mm"),
        ({"voxel_size": (1.0, 0.0, 1.0)}, "voxel size must be three positive lengths in mm"),
        ({"voxel_size": (1.0, -1.0, 1.0)}, "voxel size must be three positive lengths in mm"),
        ({"voxel_size": (1.0, math.inf, 1.0)}, "voxel size must be three positive lengths in mm"),
        ({"voxel_size": (1.0, math.nan, 1.0)}, "voxel size must be three positive lengths in mm"),
        ({"b0_dir": (0.0, 0.0, 0.0)}, "B0 direction must be a non-zero vector"),
        ({"b0_dir": (0.0, 1.0)}, "B0 direction must be a non-zero vector"),
        ({"b0_dir": (0.0, math.nan, 1.0)}, "B0 direction must be a non-zero vector"),
        ({"b0_dir": (0.0, math.inf, 1.0)}, "B0 direction must be a non-zero vector"),
        ({"affine": np.eye(3)}, "affine must be a finite 4x4 matrix"),
        ({"affine": np.diag([0.8, 1.0, math.nan, 1.0])}, "affine must be a finite 4x4 matrix"),
        ({"affine": np.diag([0.8, 1.0, 2.6, 1.0])}, r"affine has voxels of \(0.8, 1, 2.6\) mm.*\(0.8, 1, 2.5\) mm"),
    ],
)
def test_what_is_wrong_is_said(arguments, message):
    with pytest.raises(InputError, match=message):
        Grid(**{"shape": SHAPE, "voxel_size": VOXEL_SIZE, **arguments})


def test_sheared_affine_is_refused():
    angle = math.radians(1)
    sheared = np.diag([*VOXEL_SIZE, 1.0])
    sheared[:3, 1] = VOXEL_SIZE[1] * np.array([math.sin(angle), math.cos(angle), 0])
    with pytest.raises(InputError, match="shear"):
        Grid.from_affine(SHAPE, sheared)


@pytest.mark.parametrize(
    ("affine", "message"),
    [
        (np.eye(3), "affine must be a finite 4x4 matrix"),
        (np.full((4, 4), np.nan), "affine must be a finite 4x4 matrix"),
        (np.diag([1.0, 0.0, 1.0, 1.0]), "affine has a zero column"),
    ],
)
def test_from_affine_refuses(affine, message):
    with pytest.raises(InputError, match=message):
        Grid.from_affine(SHAPE, affine)


@pytest.mark.parametrize("shape", [(7, 6), (7, 6, 5, 3)])
def test_from_affine_refuses_what_is_not_three_dimensional(shape):
    with pytest.raises(InputError, match="grid shape must be three positive integers"):
        Grid.from_affine(shape, np.eye(4))


@given(poses())
@settings(deadline=None, derandomize=True, database=None)
def test_b0_of_an_affine_is_the_scanners_z(pose):
    voxel_size, affine = pose
    grid = Grid.from_affine(SHAPE, affine)
    np.testing.assert_allclose(grid.voxel_size, voxel_size, rtol=1e-12)
    np.testing.assert_allclose(rotation_of(grid) @ grid.b0_dir, (0, 0, 1), atol=3e-7)
    assert abs(np.linalg.norm(grid.b0_dir) - 1) < 1e-12


@given(poses(), st.permutations(range(3)))
@settings(deadline=None, derandomize=True, database=None)
def test_permuted_axes_stay_in_their_place_in_the_world(pose, axes):
    grid = Grid.from_affine(SHAPE, pose[1])
    permuted = grid.permuted(axes)
    volume = np.arange(math.prod(SHAPE)).reshape(SHAPE)
    assert permuted.shape == volume.transpose(axes).shape
    assert permuted.extent == tuple(grid.extent[a] for a in axes)
    np.testing.assert_allclose(rotation_of(permuted) @ permuted.b0_dir, (0, 0, 1), atol=3e-7)
    voxel = np.array([1, 3, 4])
    np.testing.assert_allclose(permuted.matrix @ [*voxel[list(axes)], 1], grid.matrix @ [*voxel, 1], atol=1e-9)
    assert permuted.permuted(np.argsort(axes).tolist()) == grid


def test_permuted_takes_what_transpose_takes():
    grid = Grid(SHAPE, VOXEL_SIZE, (0.3, -0.2, 0.9), np.diag([*VOXEL_SIZE, 1.0]) + np.pad([[4.0]], ((0, 3), (3, 0))))
    for axes in permutations(range(3)):
        assert grid.permuted([a - 3 for a in axes]) == grid.permuted(axes)


def test_single_precision_affine_of_an_axial_scan_is_axial():
    affine = np.diag([0.7, 0.7, 3.0, 1.0]).astype(np.float32)
    affine[2, 0] = 1e-9
    assert Grid.from_affine(SHAPE, affine).b0_dir == (0.0, 0.0, 1.0)


def test_left_handed_affine_keeps_b0_up():
    grid = Grid.from_affine(SHAPE, np.diag([-0.8, 1.0, 2.5, 1.0]))
    assert grid.b0_dir == (0.0, 0.0, 1.0)
    assert math.copysign(1, grid.b0_dir[0]) == 1
    assert Grid.from_affine(SHAPE, np.diag([0.8, 1.0, -2.5, 1.0])).b0_dir == (0.0, 0.0, -1.0)


def test_sagittal_scan_has_b0_along_its_second_axis():
    # Voxel axes (anterior, superior, left) in a RAS+ world.
    affine = np.array([[0, 0, -2.5, 0], [0.8, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 0, 1]])
    assert Grid.from_affine(SHAPE, affine).b0_dir == (0.0, 1.0, 0.0)


def test_a_given_b0_direction_wins_over_the_affine():
    grid = Grid.from_affine(SHAPE, np.diag([*VOXEL_SIZE, 1.0]), (0, 3, 4))
    assert grid.b0_dir == (0.0, 0.6, 0.8)


@given(st.tuples(component, component, component), st.floats(1e-3, 1e3))
@settings(deadline=None, derandomize=True, database=None)
def test_b0_is_normalised_once_and_for_all(direction, scale):
    assume(np.linalg.norm(direction) > 1e-3)
    grid = Grid(SHAPE, VOXEL_SIZE, direction)
    assert abs(np.linalg.norm(grid.b0_dir) - 1) < 1e-15 * 4
    assert Grid(SHAPE, VOXEL_SIZE, grid.b0_dir) == grid
    scaled = Grid(SHAPE, VOXEL_SIZE, tuple(scale * d for d in direction))
    np.testing.assert_allclose(scaled.b0_dir, grid.b0_dir, rtol=1e-14, atol=1e-15)


def test_equal_grids_are_equal_and_hash_alike():
    plain = Grid(SHAPE, VOXEL_SIZE)
    written_out = Grid(
        tuple(np.array(SHAPE)), tuple(np.array(VOXEL_SIZE)), (0, 0, 2), np.diag([*VOXEL_SIZE, 1.0]).tolist()
    )
    assert plain == written_out
    assert hash(plain) == hash(written_out)
    assert {plain: "found"}[written_out] == "found"
    moved = np.diag([*VOXEL_SIZE, 1.0])
    moved[0, 3] = 1
    others = [Grid((5, 6, 7), VOXEL_SIZE), Grid(SHAPE, (1, 1, 1)), Grid(SHAPE, VOXEL_SIZE, (0, 1, 0))]
    assert plain not in [*others, Grid(SHAPE, VOXEL_SIZE, affine=moved)]


def test_sizes_and_shape_check():
    grid = Grid(SHAPE, VOXEL_SIZE)
    assert grid.extent == pytest.approx((5.6, 6.0, 12.5))
    assert all(type(n) is int for n in Grid(tuple(np.array(SHAPE)), VOXEL_SIZE).shape)
    grid.check_shape("mask", np.zeros(SHAPE).shape)
    with pytest.raises(InputError, match=r"mask has shape \(5, 6, 7\), but the grid is \(7, 6, 5\)"):
        grid.check_shape("mask", SHAPE[::-1])
