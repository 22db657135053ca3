"""Labels of a sample follow its chi."""

import numpy as np

from qsmbench.core.grid import Grid
from qsmbench.core.seeds import generator_for
from qsmbench.simulation.labels import CALCIFICATION, OTHER_BODY, sample_labels
from qsmbench.simulation.recipe import Contrast, Recipe, Shapes, VoxelSizeRange
from qsmbench.simulation.sample import make_sample
from qsmbench.simulation.source import Source

GRID = Grid((44, 52, 40), (3.0, 3.0, 3.0), (0.0, 0.0, 1.0))
SIZE = VoxelSizeRange(min=(2.5, 2.5, 4.0), max=(3.5, 3.5, 6.0))


def head() -> Source:
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in GRID.shape], indexing="ij")
    mask = sum((a / 0.85) ** 2 for a in axes) < 1
    labels = np.where(mask, 1 + (axes[0] > 0) + 2 * (axes[1] > 0.2), 0).astype(np.int16)
    labels[mask & (axes[2] > 0.3)] = 7
    values = np.array([0, -0.03, 0.02, 0.05, 0.1, 0, 0, 0.2])
    return Source(values[labels].astype(np.float32), mask, GRID, labels)


def test_every_label_has_its_susceptibility_after_deformation() -> None:
    recipe = Recipe(shape=(40, 44, 24), voxel_size=SIZE, contrast=Contrast(enabled=False), shapes=Shapes(enabled=False))
    source = head()
    for number in range(3):
        labels = sample_labels(source, recipe, generator_for(1, "synthetic/test", number))
        chi = make_sample(source, recipe, generator_for(1, "synthetic/test", number)).chi
        for label, value in {1: -0.03, 2: 0.02, 3: 0.05, 4: 0.1, 7: 0.2}.items():
            assert np.count_nonzero(labels == label) > 100
            assert abs(np.median(chi[labels == label]) - value) < 1e-6


def test_pasted_bodies_are_labelled_and_the_largest_calcification_is_its_own() -> None:
    recipe = Recipe(
        shape=(40, 44, 24),
        voxel_size=SIZE,
        contrast=Contrast(enabled=False),
        shapes=Shapes(count=(6, 6), size=(8.0, 14.0), edge=(0.0, 0.0), blood=(1.0, 1.0), calcium=(-1.0, -1.0)),
    )
    source = head()
    seen = set()
    for number in range(4):
        labels = sample_labels(source, recipe, generator_for(1, "synthetic/test", number))
        sample = make_sample(source, recipe, generator_for(1, "synthetic/test", number))
        seen |= set(np.unique(labels))
        inside = sample.mask & (labels == CALCIFICATION)
        if inside.any():
            assert np.mean(sample.chi[inside] < -0.4) > 0.95
        bodies = sample.mask & (labels == OTHER_BODY)
        assert np.mean(np.abs(sample.chi[bodies]) > 0.4) > 0.95
    assert {CALCIFICATION, OTHER_BODY} <= seen


def test_a_source_without_labels_has_bodies_only() -> None:
    source = head()
    bare = Source(source.chi, source.mask, source.grid)
    recipe = Recipe(shape=(24, 24, 16), voxel_size=SIZE, shapes=Shapes(enabled=False))
    assert not sample_labels(bare, recipe, generator_for(1, "synthetic/test", 0)).any()
