"""The numerical head: where things are, how large, what they hold, and that it is the same each time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.affines import apply_affine
from nilearn import datasets
from scipy import stats

from qsmbench.core.seeds import generator_for
from qsmbench.simulation.phantom import LABELS, Phantom, head_phantom, tissue_fractions, tissue_of
from qsmbench.simulation.phantom.anatomy import Anatomy, load_anatomy
from qsmbench.simulation.phantom.texture import CORRELATION, random_field
from qsmbench.simulation.phantom.tubes import Tube, fill_tubes, smooth_curve
from qsmbench.simulation.phantom.values import NUCLEI, TISSUES

LABEL_OF = {name: label for label, name in LABELS.items()}

# mm^3 a side. Caudate to thalamus: mean volumes of Hibar 2015 (doi 10.1038/nature14101) with individual spread, and
# 30 % above for the template, which is larger than the average head. Red nucleus and substantia nigra: Keuken 2014
# (doi 10.1016/j.neuroimage.2014.03.036) with spread; dentate: masks on QSM, He 2017 (doi 10.1007/s12311-017-0872-7).
VOLUMES = {
    "caudate": (2800, 5500),
    "putamen": (3800, 7000),
    "pallidum": (1200, 2400),
    "thalamus": (5500, 9500),
    "red_nucleus": (180, 400),
    "substantia_nigra": (250, 750),
    "dentate": (500, 1200),
}


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return head_phantom(0)


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return load_anatomy()


@pytest.fixture(scope="module")
def fractions(anatomy):
    return tissue_fractions(anatomy, generator_for("phantom/vessels", 0))


def centre(phantom: Phantom, name: str) -> np.ndarray:
    return apply_affine(phantom.affine, np.argwhere(phantom.labels == LABEL_OF[name])).mean(0)


def test_same_seed_gives_the_same_bytes_and_another_seed_other_veins(phantom):
    again, other = head_phantom(0), head_phantom(1)
    for name in ("chi", "mask", "labels", "magnitude", "affine"):
        assert getattr(phantom, name).tobytes() == getattr(again, name).tobytes()
    assert np.array_equal(phantom.mask, other.mask)
    veins, others = phantom.labels == LABEL_OF["vein"], other.labels == LABEL_OF["vein"]
    assert not np.array_equal(veins, others)
    assert np.abs(phantom.chi - other.chi)[phantom.mask].mean() > 0.002


def test_arrays_are_what_the_class_promises(phantom):
    assert phantom.chi.dtype == phantom.magnitude.dtype == np.float32
    assert (phantom.mask.dtype, phantom.labels.dtype, phantom.affine.dtype) == (bool, np.int16, np.float64)
    assert np.isfinite(phantom.chi).all() and np.isfinite(phantom.magnitude).all()
    assert not phantom.chi[~phantom.mask].any() and not phantom.magnitude[~phantom.mask].any()
    assert np.array_equal(phantom.labels > 0, phantom.mask)
    assert set(np.unique(phantom.labels)) == set(LABELS)
    assert phantom.magnitude[phantom.mask].min() > 0


def test_affine_puts_the_mask_where_the_template_has_it(phantom):
    template = datasets.load_mni152_brain_mask(resolution=1)
    there = apply_affine(phantom.affine, np.argwhere(phantom.mask))
    voxels = np.rint(apply_affine(np.linalg.inv(template.affine), there)).astype(int)
    full = np.asarray(template.dataobj) > 0.5
    assert full[tuple(voxels.T)].all() and len(voxels) == full.sum()
    edges = np.ones(phantom.mask.shape, bool)
    edges[1:-1, 1:-1, 1:-1] = False
    assert not phantom.mask[edges].any(), "a field needs a margin around the head"


@pytest.mark.parametrize("name", NUCLEI)
def test_nucleus_has_a_published_volume_and_a_mirrored_partner(phantom, name):
    low, high = VOLUMES[name]
    for side in ("left", "right"):
        assert low < (phantom.labels == LABEL_OF[f"{name}_{side}"]).sum() < high
    left, right = centre(phantom, f"{name}_left"), centre(phantom, f"{name}_right")
    assert right[0] > 0
    np.testing.assert_allclose(left * [-1, 1, 1], right, atol=0.5)


def test_nuclei_lie_in_their_places(phantom):
    at = {name: centre(phantom, f"{name}_right") for name in NUCLEI}
    # centre of the dentate in He 2017
    np.testing.assert_allclose(at["dentate"], [13.8, -55.7, -36.4], atol=1.0)
    assert at["putamen"][0] > at["pallidum"][0] > at["thalamus"][0] > at["red_nucleus"][0]
    assert at["caudate"][1] > at["pallidum"][1] > at["thalamus"][1] > at["dentate"][1]
    assert at["substantia_nigra"][2] < at["red_nucleus"][2] and at["substantia_nigra"][0] > at["red_nucleus"][0]


def test_striatum_is_dark_against_the_internal_capsule_on_t1(phantom, anatomy):
    white = np.median(anatomy.t1[phantom.labels == LABEL_OF["white_matter"]])
    for name in ("caudate", "putamen"):
        shown = anatomy.t1[phantom.labels == LABEL_OF[f"{name}_left"]]
        assert np.percentile(shown, 95) < white


def test_fractions_fill_the_mask_and_nothing_else(anatomy, fractions):
    total = sum(fractions.values())
    assert min(part.min() for part in fractions.values()) >= 0
    np.testing.assert_allclose(total, anatomy.mask, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in LABELS.values() if name not in ("background", "vein")])
def test_tissue_holds_its_table_value_with_texture(phantom, fractions, name):
    tissue, pure = tissue_of(name), fractions[name] > 0.95
    values = phantom.chi[pure].astype(np.float64)
    assert len(values) > 30
    assert abs(values.mean() - tissue.chi) < 0.012, "table value within one standard deviation of the texture"
    if name != "csf":
        assert 0.003 < values.std() < 0.025
    else:
        assert 0.0005 < values.std() < 0.01


def test_veins_are_paramagnetic_and_hold_a_plausible_volume(phantom, fractions):
    veins = phantom.labels == LABEL_OF["vein"]
    assert phantom.chi[veins].min() > 0.1
    assert phantom.chi[fractions["vein"] > 0.99].mean() == pytest.approx(TISSUES["vein"].chi, abs=0.005)
    # about 4 % of the brain is blood and two thirds of that venous, most of it too small to draw
    assert 3e3 < fractions["vein"].sum() < 2.5e4
    voxel = np.rint(apply_affine(np.linalg.inv(phantom.affine), [0.0, -61.0, 4.5])).astype(int)
    assert phantom.labels[tuple(voxel)] == LABEL_OF["vein"], "the straight sinus lies in the midline"


def test_chi_stays_in_the_range_of_a_healthy_head(phantom):
    assert phantom.chi.min() > -0.1 and phantom.chi.max() <= TISSUES["vein"].chi + 0.02
    tissue = phantom.chi[phantom.labels > LABEL_OF["vein"]]
    assert np.percentile(tissue, 0.1) > -0.08 and np.percentile(tissue, 99.9) < 0.3


def test_nuclei_rise_with_their_iron():
    chi, iron = zip(*((TISSUES[name].chi, TISSUES[name].iron) for name in NUCLEI), strict=True)
    assert stats.pearsonr(chi, iron).statistic > 0.85


def test_magnitude_separates_the_tissues(phantom):
    mean = {name: phantom.magnitude[phantom.labels == label].mean() for label, name in LABELS.items() if label}
    assert mean["white_matter"] > mean["grey_matter"] > mean["csf"]
    assert mean["pallidum_left"] < mean["putamen_left"] and mean["vein"] < mean["csf"]


def test_texture_is_standard_and_falls_to_a_third_at_its_correlation_length():
    field = random_field((64, 64, 64), np.random.default_rng(3))
    assert field.mean() == pytest.approx(0, abs=1e-4) and field.std() == pytest.approx(1, abs=1e-4)
    lag = round(CORRELATION)
    assert np.mean(field * np.roll(field, lag, axis=0)) == pytest.approx(np.exp(-((lag / CORRELATION) ** 2)), abs=0.06)


@settings(max_examples=25, deadline=None)
@given(
    radius=st.floats(0.2, 2.0),
    towards=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: np.linalg.norm(v) > 0.2),
    shift=st.floats(0, 1),
)
def test_thin_tube_keeps_its_volume_however_it_lies(radius, towards, shift):
    shape, length = (40, 40, 40), 24.0
    empty = np.zeros(shape, np.float32)
    grid = Anatomy(empty, empty, empty, empty, np.ones(shape, bool), empty, empty, np.eye(4))
    direction = np.array(towards) / np.linalg.norm(towards)
    points = 19.5 + shift + np.linspace(-length / 2, length / 2, 5)[:, None] * direction
    filled = fill_tubes(grid, [Tube(*smooth_curve(points, radius))])
    assert filled.max() <= 1
    # discs end half a step beyond the curve on either side; points crowding in full voxels lose a little
    assert filled.sum() == pytest.approx(np.pi * radius**2 * length, rel=0.05)
