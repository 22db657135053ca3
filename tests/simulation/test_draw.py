import json

import numpy as np
import pytest
from scipy.stats import kstest

from qsmbench.core.seeds import generator_for
from qsmbench.simulation.draw import Draw, draw
from qsmbench.simulation.recipe import Recipe

N = 500
# Eighteen tests on one fixed draw: a wrong range gives 1e-10 and less.
ALPHA = 1e-3


@pytest.fixture(scope="module")
def draws(small_source) -> list[Draw]:
    recipe = Recipe.model_validate({"noise": {"enabled": True}, "obliquity": {"enabled": True}})
    return [draw(recipe, small_source, generator_for("draws", i)) for i in range(N)]


def angle(one: Draw) -> float:
    return float(np.degrees(np.arccos(one.b0_dir[2])))


RANGES = {
    "voxel x": (lambda d: d.voxel_size[0], 0.5, 1.0),
    "voxel y": (lambda d: d.voxel_size[1], 0.5, 1.0),
    "voxel z": (lambda d: d.voxel_size[2], 2.0, 4.0),
    "rotation x": (lambda d: d.deformation.rotation[0], -10, 10),
    "rotation z": (lambda d: d.deformation.rotation[2], -10, 10),
    "elastic spacing": (lambda d: d.deformation.lattice.spacing, 24, 40),
    "elastic amplitude": (lambda d: d.deformation.lattice.amplitude, 0, 0.4),
    "gain": (lambda d: d.contrast.gain, 0.5, 1.5),
    "gamma": (lambda d: d.contrast.gamma, 0.7, 1.4),
    "tissue gain": (lambda d: d.contrast.tissue[7][0], 0.8, 1.2),
    "tissue offset": (lambda d: d.contrast.tissue[2][1], -0.02, 0.02),
    "noise": (lambda d: d.noise_sd, 0.001, 0.005),
    "obliquity": (angle, 0, 30),
    "place": (lambda d: d.places[0, 1], 0, 1),
}


@pytest.mark.parametrize("name", RANGES)
def test_ranges_are_covered_uniformly(draws, name):
    get, low, high = RANGES[name]
    values = np.array([get(d) for d in draws])
    assert values.min() >= low - 1e-9 and values.max() <= high + 1e-9
    assert kstest(values, "uniform", args=(low, high - low)).pvalue > ALPHA


def test_shapes_cover_their_ranges(draws):
    shapes = [s for d in draws for s in d.shapes]
    counts = np.array([len(d.shapes) for d in draws])
    assert (counts.min(), counts.max()) == (0, 16)
    assert np.mean(counts) == pytest.approx(8, abs=0.7)
    sizes = np.log([max(s.half_axes) for s in shapes if s.kind in ("ellipsoid", "sphere", "cuboid")])
    assert kstest(sizes, "uniform", args=(0, np.log(12))).pvalue > ALPHA
    blood, calcium = ([s.chi for s in shapes if s.chi > 0], [s.chi for s in shapes if s.chi < 0])
    assert kstest(blood, "uniform", args=(0.2, 1.8)).pvalue > ALPHA
    assert kstest(calcium, "uniform", args=(-2.0, 1.9)).pvalue > ALPHA
    assert len(blood) / len(shapes) == pytest.approx(0.5, abs=0.03)
    assert kstest([s.edge for s in shapes], "uniform", args=(0, 2)).pvalue > ALPHA
    kinds, numbers = np.unique([s.kind for s in shapes], return_counts=True)
    assert set(kinds) == {"cuboid", "cylinder", "ellipsoid", "sphere"}
    assert numbers.min() > 0.22 * len(shapes)


def test_shapes_lie_in_the_brain(draws, small_source):
    """Taken back to the head at rest, every centre lies within half a lattice step of a voxel of the mask."""
    reach = small_source.stride * np.linalg.norm(small_source.grid.voxel_size) / 2 + 0.5
    for one in draws[:40]:
        for shape in one.shapes:
            place = np.array([shape.centre])
            at_rest = (place + one.deformation.lattice.displacement(place)) @ np.linalg.inv(one.deformation.matrix).T
            assert np.linalg.norm(small_source.points - at_rest, axis=1).min() <= reach


def test_same_state_same_draw(small_source):
    recipe = Recipe()
    one, other = (draw(recipe, small_source, generator_for("x", 1)) for _ in range(2))
    assert one.parameters() == other.parameters()
    assert one.shapes == other.shapes
    np.testing.assert_array_equal(one.deformation.lattice.coefficients, other.deformation.lattice.coefficients)
    assert draw(recipe, small_source, generator_for("x", 2)).parameters() != one.parameters()


@pytest.mark.parametrize("step", ["pose", "elastic", "contrast", "shapes", "obliquity", "noise"])
def test_switching_a_step_leaves_the_others_alone(small_source, step):
    recipe = Recipe()
    switched = recipe.model_copy(
        update={step: getattr(recipe, step).model_copy(update={"enabled": not getattr(recipe, step).enabled})}
    )
    one, other = (draw(r, small_source, generator_for("switch", 3)) for r in (recipe, switched))
    own = {
        "pose": {"rotation", "size"},
        "elastic": {"elastic_spacing", "elastic_amplitude"},
        "contrast": {"gain", "gamma", "tissue", "offset"},
        "shapes": {"n_shapes"},
        "obliquity": set(),
        "noise": {"noise_sd"},
    }[step]
    before, after = one.parameters(), other.parameters()
    assert {k for k in before if before[k] != after[k]} == own - {"offset"}
    assert one.voxel_size == other.voxel_size
    np.testing.assert_array_equal(one.places, other.places)
    assert (one.b0_dir == other.b0_dir) == (step != "obliquity")
    if step != "shapes":
        assert [(s.kind, s.chi, s.half_axes) for s in one.shapes] == [
            (s.kind, s.chi, s.half_axes) for s in other.shapes
        ]
    if step not in ("elastic",):
        np.testing.assert_array_equal(one.deformation.lattice.coefficients, other.deformation.lattice.coefficients)


def test_equal_ends_fix_the_resolution(small_source):
    fixed = Recipe.model_validate({"voxel_size": {"min": (0.7639, 0.7639, 3.0), "max": (0.7639, 0.7639, 3.0)}})
    assert draw(fixed, small_source, generator_for("f", 0)).voxel_size == (0.7639, 0.7639, 3.0)


def test_parameters_are_plain(draws):
    assert json.loads(json.dumps(draws[0].parameters())) == draws[0].parameters()
