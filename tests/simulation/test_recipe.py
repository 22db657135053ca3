import subprocess
import sys

import pytest
from pydantic import BaseModel, ValidationError

from qsmbench.simulation.recipe import Recipe


def test_defaults_are_those_the_paper_states():
    recipe = Recipe()
    assert recipe.shape == (128, 128, 64)
    assert (recipe.voxel_size.min, recipe.voxel_size.max) == ((0.5, 0.5, 2.0), (1.0, 1.0, 4.0))
    assert set(recipe.shapes.kinds) == {"ellipsoid", "sphere", "cuboid", "cylinder"}
    assert recipe.elastic.enabled and recipe.contrast.enabled and recipe.shapes.enabled
    assert not recipe.obliquity.enabled and not recipe.noise.enabled


def test_survives_json():
    recipe = Recipe.model_validate({"shape": (64, 64, 32), "noise": {"enabled": True}, "crop": {"placement": "centre"}})
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"voxle_size": {}}, "Extra inputs"),
        ({"pose": {"tilt": 3}}, "Extra inputs"),
        ({"contrast": {"gain": (2.0, 1.0)}}, "in this order"),
        ({"contrast": {"gain": (float("nan"), 1.0)}}, "finite"),
        ({"voxel_size": {"min": (1, 1, 1), "max": (1, 1, 0.5)}}, "must not exceed"),
        ({"voxel_size": {"min": (0, 1, 1)}}, "0.05 to 20 mm"),
        ({"elastic": {"amplitude": (0, 0.5)}}, "elastic.amplitude"),
        ({"shapes": {"blood": (0.2, 9.4)}}, "shapes.blood"),
        ({"shapes": {"count": (5, 2)}}, "fewest"),
        ({"shapes": {"kinds": ["torus"]}}, "ellipsoid"),
        ({"shape": (4, 128, 64)}, "8 to 1024"),
        ({"pose": {"scale": (0.1, 1.0)}}, "pose.scale"),
    ],
)
def test_refuses_what_it_cannot_mean(change, said):
    with pytest.raises(ValidationError, match=said):
        Recipe.model_validate(change)


def test_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        Recipe().shape = (1, 2, 3)


def _fields(model: type[BaseModel], path: str = "") -> list[tuple[str, str | None]]:
    found = []
    for name, field in model.model_fields.items():
        found.append((path + name, field.description))
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found += _fields(field.annotation, f"{path}{name}.")
    return found


def test_every_key_is_described():
    fields = _fields(Recipe)
    assert len(fields) > 30
    assert [path for path, description in fields if not description] == []


def test_import_is_light():
    """A command line reads recipes at once: none of the heavy libraries may come with them."""
    code = "import sys, qsmbench.simulation.recipe; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "pydantic" in loaded
    assert {"numpy", "torch", "numba", "scipy"}.isdisjoint(loaded)
