import numpy as np
import pytest
import torch
from scipy import ndimage

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.core.seeds import generator_for
from qsmbench.physics.dipole import forward_field
from qsmbench.simulation.anisotropy import tensor_field, white_matter
from qsmbench.simulation.error_model import add_errors, measured_like
from qsmbench.simulation.error_recipe import ErrorRecipe
from qsmbench.simulation.recipe import Recipe
from qsmbench.simulation.sample import make_sample
from qsmbench.simulation.smooth_fields import harmonic_field, power_law_field, spline_field

STEPS = tuple(ErrorRecipe.model_fields)
OBLIQUE = Grid((40, 36, 24), (1.0, 1.2, 2.0), (0.2, -0.3, 0.93))


def egg(grid):
    x, y, z = np.meshgrid(*[(np.arange(n) - (n - 1) / 2) / (n / 2) for n in grid.shape], indexing="ij")
    return x**2 + y**2 + z**2 < 0.8


def head(grid=OBLIQUE):
    mask = egg(grid)
    rng = generator_for("test head")
    chi = 0.02 * power_law_field(grid, 1.5, rng)
    chi[18:22, 14:20, 10:14] = 0.3
    return np.where(mask, chi, 0).astype(np.float32), mask


def only(*names):
    return ErrorRecipe.model_validate({name: {"enabled": True} for name in names})


def test_a_scalar_tensor_has_the_field_of_a_scalar():
    chi, _ = head()
    b = np.array(OBLIQUE.b0_dir, np.float32)[:, None, None, None]
    expected = forward_field(torch.from_numpy(chi), OBLIQUE, 1.25).numpy()
    np.testing.assert_allclose(tensor_field(b * chi, OBLIQUE), expected, atol=2e-7)


def test_a_ball_of_tilted_fibres_has_the_field_of_its_moment():
    """Where X b points along x, B0 along z: outside, the z part of a dipole along x, which no scalar chi makes."""
    grid = Grid((64, 64, 64), (1.0, 1.0, 1.0))
    x, y, z = np.meshgrid(*[np.arange(64) - 31.5] * 3, indexing="ij")
    r = np.sqrt(x**2 + y**2 + z**2)
    moment = np.zeros((3, *grid.shape), np.float32)
    # Blurred, since a sharp edge rings; what is symmetric about a centre has the field of its moment.
    moment[0] = ndimage.gaussian_filter(0.01 * (r < 9), 1.5)
    field = tensor_field(moment, grid, 2.0)
    # b of a point's dipole along x, seen along z: 3 (m.r)(b.r) / r^5 - m.b / r^3, with m.b = 0.
    volume = float((r < 9).sum())
    expected = 0.01 * volume / (4 * np.pi) * 3 * x * z / np.maximum(r, 1) ** 5
    outside = (r > 15) & (r < 24)
    assert np.abs(field - expected)[outside].max() < 0.05 * np.abs(expected[outside]).max()


def test_the_anisotropic_part_is_not_explained_by_a_scalar():
    chi, mask = head()
    made = add_errors(np.zeros_like(chi), chi, mask, OBLIQUE, recipe=only("anisotropy"), seed=3)
    field = made.local_field[mask]
    assert 0.2e-3 < field.std() < 4e-3
    model = forward_field(torch.from_numpy(chi), OBLIQUE).numpy()[mask]
    assert abs(np.corrcoef(field, model)[0, 1]) < 0.3


@pytest.mark.parametrize("step", STEPS)
def test_switching_a_step_leaves_the_other_draws(step):
    chi, mask = head()
    others = [name for name in STEPS if name != step]
    field = forward_field(torch.from_numpy(chi), OBLIQUE).numpy()
    every = add_errors(field, chi, mask, OBLIQUE, recipe=only(*STEPS), seed=7)
    without = add_errors(field, chi, mask, OBLIQUE, recipe=only(*others), seed=7)
    alone = add_errors(field, chi, mask, OBLIQUE, recipe=only(step), seed=7)
    assert every.parameters == {**without.parameters, **alone.parameters}
    if step not in {"gain", "erosion"}:
        zero = np.zeros_like(chi)
        # Steps that only add are independent of each other, but for the mask that erosion leaves.
        added = [
            add_errors(zero, chi, mask, OBLIQUE, recipe=only(*names), seed=7).local_field
            for names in (["noise"], ["coloured"])
        ]
        both = add_errors(zero, chi, mask, OBLIQUE, recipe=only("noise", "coloured"), seed=7).local_field
        np.testing.assert_allclose(both, added[0] + added[1], atol=1e-8)


def test_white_noise_follows_one_over_the_magnitude():
    chi, mask = head()
    magnitude = np.where(np.arange(OBLIQUE.shape[0])[:, None, None] < 20, 1.0, 4.0) * np.ones(OBLIQUE.shape)
    made = add_errors(
        np.zeros_like(chi), chi, mask, OBLIQUE, recipe=only("noise"), seed=5, magnitude=magnitude.astype(np.float32)
    )
    weak, strong = (made.local_field[part][mask[part]].std() for part in (np.s_[:20], np.s_[20:]))
    assert weak / strong == pytest.approx(4, rel=0.05)
    assert made.field_noise is not None
    ratio = (made.local_field / np.where(mask, made.field_noise, 1))[mask]
    assert ratio.std() == pytest.approx(1, rel=0.03)
    assert not made.field_noise[~mask].any()


def test_rim_error_decays_with_depth_and_strong_sources_have_more():
    chi, mask = head()
    depth = ndimage.distance_transform_edt(mask, sampling=OBLIQUE.voxel_size)
    rim = add_errors(np.zeros_like(chi), chi, mask, OBLIQUE, recipe=only("rim"), seed=5).local_field
    assert rim[mask & (depth < 2.5)].std() > 4 * rim[mask & (depth > 10)].std()
    near = add_errors(np.zeros_like(chi), chi, mask, OBLIQUE, recipe=only("sources"), seed=5).local_field
    assert near[np.abs(chi) > 0.2].std() > 3 * near[mask & (np.abs(chi) < 0.03)].std()


def test_harmonic_background_is_harmonic_inside():
    mask = egg(OBLIQUE)
    field = harmonic_field(mask, OBLIQUE, generator_for("harmonic")).astype(np.float64)
    assert field[mask].std() == pytest.approx(1, abs=1e-3)
    second = [np.gradient(np.gradient(field, v, axis=i), v, axis=i) for i, v in enumerate(OBLIQUE.voxel_size)]
    deep = ndimage.distance_transform_edt(mask, sampling=OBLIQUE.voxel_size) > 8
    laplacian = sum(second)
    # Of independent second derivatives the sum would be 1.7 times one of them.
    assert np.abs(laplacian[deep]).mean() < 0.5 * np.mean([np.abs(s[deep]).mean() for s in second])


@pytest.mark.parametrize("exponent", [0.0, 1.3])
def test_power_law(exponent):
    grid = Grid((48, 40, 32), (1.0, 1.0, 1.5))
    field = power_law_field(grid, exponent, generator_for("law", int(10 * exponent)))
    assert field.std() == pytest.approx(1, rel=0.25)
    power = np.abs(np.fft.fftn(field)) ** 2
    k = np.sqrt(sum(x**2 for x in np.meshgrid(*map(np.fft.fftfreq, grid.shape, grid.voxel_size), indexing="ij")))
    low, high = (np.sqrt(power[(k > a) & (k < 1.1 * a)].mean()) for a in (0.08, 0.25))
    assert np.log(low / high) / np.log(0.25 / 0.08) == pytest.approx(exponent, abs=0.15)


def test_spline_field_is_smooth():
    field = spline_field(OBLIQUE, 12.0, generator_for("spline"))
    assert np.abs(np.diff(field, axis=0)).mean() < 0.2 * field.std()


def test_measured_like_of_a_head():
    chi, mask = head()
    made = measured_like(chi, mask, OBLIQUE, generator_for("head", 1))
    again = measured_like(chi, mask, OBLIQUE, generator_for("head", 1))
    assert (made.local_field == again.local_field).all() and made.parameters == again.parameters
    assert made.local_field.dtype == np.float32 and made.mask.sum() <= mask.sum()
    assert not made.local_field[~made.mask].any()
    error = (made.local_field - forward_field(torch.from_numpy(chi), OBLIQUE).numpy())[made.mask]
    assert 3e-3 < error.std() < 20e-3
    with pytest.raises(InputError, match="mask has shape"):
        measured_like(chi, mask[:-1], OBLIQUE, generator_for("head", 1))
    with pytest.raises(InputError, match="empty"):
        measured_like(chi, np.zeros_like(mask), OBLIQUE, generator_for("head", 1))


def test_white_matter_is_what_chi_or_a_label_says():
    chi, mask = head()
    told = white_matter(chi, mask, OBLIQUE)
    assert 0.25 < told[mask].mean() < 0.55 and told.min() >= 0 and told.max() <= 1
    label = chi < -0.01
    assert white_matter(chi, mask, OBLIQUE, label)[label].mean() > 2 * told[mask].mean() * 0.5


def test_samples_of_the_recipe(small_source, small_recipe):
    recipe = Recipe.model_validate(
        small_recipe.model_dump(exclude={"preset", "error"})
        | {"preset": "measured-like", "error": {"gain": {"enabled": False}}}
    )
    assert recipe.error.enabled == tuple(name for name in STEPS if name != "gain")
    assert Recipe.model_validate(recipe.model_dump()) == recipe
    sample = make_sample(small_source, recipe, generator_for("measured-like", 1))
    plain = make_sample(small_source, small_recipe, generator_for("measured-like", 1))
    # The draws of all other steps stay; chi is that of the paper's recipe where the mask is left.
    np.testing.assert_array_equal(sample.chi, plain.chi * sample.mask)
    assert sample.field_noise is not None and plain.field_noise is None
    assert (sample.local_field - plain.local_field)[sample.mask].std() > 2e-3
    assert not sample.local_field[~sample.mask].any()
