"""Where in a head a sample lies."""

import numpy as np
from numpy.typing import NDArray

from qsmbench.simulation.deformation import Deformation
from qsmbench.simulation.draw import Draw
from qsmbench.simulation.recipe import Recipe
from qsmbench.simulation.source import Source


def head_box(source: Source, deformation: Deformation) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The deformed head's box (2, 3), lower and upper corner in mm, and places (n, 3) evenly spread in its brain."""
    points = deformation.forward(source.points)
    # The points are every n-th voxel: the surface lies up to that much farther out.
    margin = source.stride * float(np.linalg.norm(source.grid.voxel_size))
    return np.stack([points.min(axis=0) - margin, points.max(axis=0) + margin]), points


def crop_corner(
    recipe: Recipe, drawn: Draw, points: NDArray[np.float64], source: Source
) -> tuple[NDArray[np.float64], float]:
    """The lower corner of the crop in mm, and its brain as a share of the smaller of the crop's and brain's volume.

    Along each axis the corner is uniform between the places where crop and head share their lower and their upper end.
    The first place with enough brain is taken, or the best of them. ``points`` are the deformed places of
    ``source.points``.
    """
    extent = np.array(recipe.shape) * np.array(drawn.voxel_size)
    spread = points.min(axis=0), points.max(axis=0)
    if recipe.crop.placement == "source":
        corners = -(source.centre + 0.5)[None] * np.array(source.grid.voxel_size)
    elif recipe.crop.placement == "centre":
        corners = drawn.deformation.forward(np.zeros((1, 3))) - extent / 2
    else:
        low, high = np.minimum(spread[0], spread[1] - extent), np.maximum(spread[0], spread[1] - extent)
        corners = low + drawn.places * (high - low)
    volume = source.point_volume * float(np.prod(drawn.deformation.size))
    most = min(len(points), float(np.prod(extent)) / volume)
    chosen, best = corners[0], -1.0
    for corner in corners:
        share = int(((points >= corner) & (points < corner + extent)).all(axis=1).sum()) / most
        if share > best:
            chosen, best = corner, share
        if share >= recipe.crop.min_brain:
            break
    return chosen, best
