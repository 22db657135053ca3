"""Tubes of any radius on a voxel grid, with their partial volume.

A tube is a curve with a radius. A sunflower spiral of points fills its cross-section, each with an equal share of
the volume, and every point adds its share to the voxel it falls in. So a vein thinner than a voxel keeps its volume,
and with it the far field it makes (a dipole moment is chi times volume), however it lies on the grid.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator, make_interp_spline

from qsmbench.simulation.phantom.anatomy import Anatomy, Float

Points = NDArray[np.float64]

STEP = 0.25  # mm along the curve, a quarter of a voxel
AREA = 0.04  # mm^2 of cross-section a point stands for


class Tube(NamedTuple):
    """A curve (n, 3) in MNI mm, sampled about every STEP, and its radius (n,) in mm."""

    points: Points
    radius: Points


def smooth_curve(points: Points, radius: Points | float) -> tuple[Points, Points]:
    """Run a cubic spline through control points (k, 3), k >= 4; returns it sampled every STEP, with its radius."""
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
    knots = np.concatenate([[0.0], np.cumsum(lengths)])
    fine = np.linspace(0, knots[-1], max(2, round(knots[-1] / STEP) + 1))
    curve = make_interp_spline(knots, points, k=3)(fine)
    radii = np.broadcast_to(np.asarray(radius, np.float64), knots.shape)
    return curve, PchipInterpolator(knots, radii)(fine)


def cross_section(tube: Tube, area: float = AREA) -> tuple[Points, Points]:
    """Return points (m, n, 3) in mm that fill a tube, n along its curve, and the volume (m, n) in mm^3 of each.

    `area` is the cross-section in mm^2 that a point stands for, at most.
    """
    points, radius = tube
    along = np.gradient(points, axis=0)
    step = np.linalg.norm(along, axis=1)
    along = along / np.maximum(step, 1e-9)[:, None]
    # any direction not parallel to the curve spans the cross-section
    other = np.eye(3)[np.argmin(np.abs(along), axis=1)]
    first = np.cross(along, other)
    first /= np.linalg.norm(first, axis=1)[:, None]
    second = np.cross(along, first)
    count = max(4, int(np.ceil(np.pi * radius.max() ** 2 / area)))
    index = np.arange(count)
    distance, turn = np.sqrt((index + 0.5) / count), index * np.pi * (3 - np.sqrt(5))
    disc = np.stack([distance * np.cos(turn), distance * np.sin(turn)], axis=1)
    offsets = disc[:, :1, None] * first + disc[:, 1:, None] * second
    where: Points = points + offsets * radius[:, None]
    return where, np.broadcast_to(np.pi * radius**2 * step / count, where.shape[:2])


def fill_tubes(anatomy: Anatomy, tubes: list[Tube]) -> Float:
    """Return the fraction of every voxel that lies in a tube, at most one."""
    shape = anatomy.mask.shape
    total = np.zeros(int(np.prod(shape)))
    for tube in tubes:
        places, share = cross_section(tube)
        where = np.rint(anatomy.voxels(places)).astype(int)
        inside = np.all((where >= 0) & (where < shape), axis=-1)
        flat = np.ravel_multi_index(tuple(where[inside].T), shape)
        total += np.bincount(flat, share[inside], total.size)
    return np.minimum(total, 1).reshape(shape).astype(np.float32)
