import numpy as np
import pytest
from scipy import ndimage

from qsmbench.core.errors import InputError
from qsmbench.core.seeds import generator_for
from qsmbench.simulation.magnitude import map_magnitude
from qsmbench.simulation.recipe import Recipe
from qsmbench.simulation.sample import make_sample
from qsmbench.simulation.source import Source


def made(source, recipe, number=1, **changes):
    changed = Recipe.model_validate(recipe.model_dump() | changes)
    return make_sample(source, changed, generator_for("magnitude", number), with_magnitude=True)


def test_a_magnitude_changes_nothing_else(small_source, small_recipe):
    plain = make_sample(small_source, small_recipe, generator_for("magnitude", 1))
    sample = made(small_source, small_recipe)
    assert plain.magnitude is None
    for name in ("chi", "local_field", "mask"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(sample, name))
    assert sample.magnitude is not None and not sample.magnitude[~sample.mask].any()
    assert 0.5 < np.median(sample.magnitude[sample.mask]) < 2


def test_it_is_deformed_as_chi_is(small_source, small_recipe):
    """A magnitude that is chi itself stays chi through pose, elastic deformation and averaging."""
    shifted = small_source.chi - small_source.chi.min() + 0.1
    source = Source(small_source.chi, small_source.mask, small_source.grid, small_source.labels, shifted)
    off = {"enabled": False}
    quiet = {"magnitude": {"snr": (1e6, 1e6), "profile": (0, 0)}, "contrast": off, "shapes": off}
    sample = made(source, small_recipe, **quiet)
    inside = ndimage.binary_erosion(sample.mask)
    assert np.corrcoef(sample.chi[inside], sample.magnitude[inside])[0, 1] > 0.999


def test_bodies_are_dark(small_source, small_recipe):
    shapes = small_recipe.shapes.model_dump() | {"count": (8, 8), "blood": (1.5, 2.0), "blood_share": 1.0}
    sample = made(small_source, small_recipe, shapes=shapes)
    body = sample.chi > 1.4
    assert body.sum() > 5
    assert np.median(sample.magnitude[body]) < 0.2 * np.median(sample.magnitude[sample.mask])


def test_noise_of_the_field_follows_it(small_source, small_recipe):
    half = np.where(np.arange(small_source.grid.shape[0])[:, None, None] < 25, 1, 3) * small_source.mask
    source = Source(small_source.chi, small_source.mask, small_source.grid, magnitude=half.astype(np.float32))
    off = {"enabled": False}
    changes = {"error": {"noise": {"enabled": True}}, "shapes": off}
    sample = made(source, small_recipe, **changes)
    noise = sample.field_noise[sample.mask]
    assert np.quantile(noise, 0.95) / np.quantile(noise, 0.05) == pytest.approx(3, rel=0.1)


def test_a_map_without_magnitude_gets_one(small_source):
    made_up = map_magnitude(small_source.chi, small_source.mask)
    nucleus = small_source.labels == 7
    assert made_up[nucleus].mean() < 0.85 * made_up[small_source.mask & ~nucleus].mean()
    assert np.median(small_source.relative_magnitude[small_source.mask]) == pytest.approx(1)
    bad = Source(small_source.chi, small_source.mask, small_source.grid, magnitude=-made_up)
    with pytest.raises(InputError, match="magnitude is negative"):
        _ = bad.relative_magnitude
