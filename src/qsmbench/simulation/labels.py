"""The tissues of a synthetic sample: the source's labels, brought along by the same deformation as its chi.

A sample is a function of its recipe and its generator, so its labels are made after it, from the same draw, and need no
room in the set's store. Each voxel gets the structure that fills at least half of it; bodies that were pasted replace
what lies below them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qsmbench.core.grid import Triple
from qsmbench.simulation.crop import crop_corner, head_box
from qsmbench.simulation.draw import draw
from qsmbench.simulation.recipe import Recipe
from qsmbench.simulation.shapes import Shape, fraction
from qsmbench.simulation.source import Source
from qsmbench.simulation.warp import Window, render, stack_head

# Numbers above those of any source: the largest calcification in view, and every other body.
CALCIFICATION, OTHER_BODY = 1001, 1002
BODY_NAMES = {CALCIFICATION: "calcification", OTHER_BODY: "lesion"}
# A calcification of fewer voxels tells nothing about streaks.
_MIN_VOXELS = 8


def sample_labels(source: Source, recipe: Recipe, rng: np.random.Generator) -> NDArray[np.int16]:
    """Return the labels (x, y, z) of the sample that `make_sample` makes from the same arguments; 0 where none holds.

    Args:
        source: the head; its labels may be None, and then only pasted bodies are labelled.
        recipe: of the set.
        rng: in the state that the sample's own generator had.
    """
    drawn = draw(recipe, source, rng)
    _, points = head_box(source, drawn.deformation)
    corner, _ = crop_corner(recipe, drawn, points, source)
    x, y, z = (float(c) for c in corner)
    origin: Triple = (x, y, z)
    window = Window(recipe.shape, drawn.voxel_size, origin)
    labels = np.zeros(recipe.shape, np.int16)
    values = source.label_values
    own = None if source.labels is None else np.ascontiguousarray(source.labels[source.box])
    # One more for the border that stack_head adds.
    centre = source.centre - [s.start for s in source.box] + 1
    # A head carries a volume and the mask that it fills part of: the first of a pair of labels, and both together.
    for pair in zip(values[::2], [*values[1::2], None][: len(values[::2])], strict=True):
        if own is None:
            break
        first, second = (np.zeros(own.shape, bool) if value is None else own == value for value in pair)
        stacked = stack_head(first.astype(np.float32), first | second)
        share, both = render(stacked, source.grid.voxel_size, centre, drawn.deformation, window)
        labels[share >= 0.5] = pair[0]
        if pair[1] is not None:
            labels[both - share >= 0.5] = pair[1]
    _mark_bodies(labels, window, drawn.shapes)
    return labels


def _mark_bodies(labels: NDArray[np.int16], window: Window, shapes: tuple[Shape, ...]) -> None:
    placed = []
    for shape in shapes:
        found = fraction(window, shape)
        if found is not None:
            where, share = found
            inside = share >= 0.5
            labels[where][inside] = OTHER_BODY
            placed.append((shape.chi < 0, int(np.count_nonzero(inside)), where, inside))
    # Later bodies cover earlier ones, so the calcification is marked where none lies on it.
    calcium = [(n, i) for i, (negative, n, _, _) in enumerate(placed) if negative and n >= _MIN_VOXELS]
    if not calcium:
        return
    _, chosen = max(calcium)
    _, _, where, inside = placed[chosen]
    labels[where][inside] = CALCIFICATION
    for _, _, later, cover in placed[chosen + 1 :]:
        labels[later][cover] = OTHER_BODY
