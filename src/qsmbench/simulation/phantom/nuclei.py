"""Deep grey nuclei drawn in MNI coordinates as lofted superellipses and swept tubes.

A loft is a stack of axial cross-sections |v/a|^n + |u/b|^n <= 1, u along the long axis turned by `angle` from
posterior towards lateral, v across it and bent by `bend` (u/b)^2, all interpolated in z (a^2 and b^2 linearly, so
that the ends close like an ellipsoid). Every shape is sampled on a 3 times finer grid and averaged, which gives its
partial volume at 1 mm; a Gaussian of 0.4 mm softens the border. The left side mirrors the right, as the template does.

Positions: the borders seen on the template itself; the dentate's centre from He 2017 (doi 10.1007/s12311-017-0872-7:
+-13.8, -55.8, -36.4 mm); sizes: within the volumes of Ahsan 2007 (doi 10.1016/j.neuroimage.2007.06.004, striatum,
pallidum, thalamus), Keuken 2014 (doi 10.1016/j.neuroimage.2014.03.036, red nucleus and substantia nigra at 7 T) and
Diedrichsen 2011 (doi 10.1016/j.neuroimage.2010.10.035, dentate). Caudate and putamen are trimmed to where the T1 image
shows grey matter, thalamus and caudate to where there is no CSF.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from qsmbench.simulation.phantom.anatomy import Anatomy, Float
from qsmbench.simulation.phantom.tubes import Tube, fill_tubes, smooth_curve
from qsmbench.simulation.phantom.values import NUCLEI

OVERSAMPLING = 3
EXPONENT = 2.3  # a little fuller than an ellipse
# T1 of the template, 0 to 1: capsules and medullary laminae lie above, striatum below
CAPSULE_T1, CAPSULE_WIDTH = 0.805, 0.012

# Right side. Columns: z, centre x, centre y, half width a, half length b (mm), angle (degrees), bend (mm, lateral > 0)
LOFTS: dict[str, list[tuple[float, ...]]] = {
    "pallidum": [
        (-9.0, 15.5, -1.5, 0.0, 0.0, 38, -0.5),
        (-6.0, 16.3, -2.0, 3.6, 7.0, 38, -0.8),
        (-3.0, 18.0, -2.2, 4.3, 9.6, 37, -1.0),
        (0.0, 19.6, -2.6, 4.1, 10.2, 35, -1.0),
        (3.0, 21.2, -3.6, 3.1, 9.5, 31, -1.0),
        (6.0, 22.6, -4.6, 1.8, 6.0, 27, -0.8),
        (7.6, 23.4, -5.0, 0.0, 0.0, 25, -0.5),
    ],
    "putamen": [
        (-12.0, 22.0, 9.0, 0.0, 0.0, 15, -1.0),
        (-9.5, 22.3, 8.5, 5.0, 8.0, 15, -1.5),
        (-6.0, 24.0, 6.6, 6.0, 13.0, 15, -2.2),
        (-2.0, 25.9, 3.8, 5.8, 17.2, 14, -2.5),
        (2.0, 27.2, 1.4, 5.0, 19.2, 13, -2.5),
        (6.0, 27.7, -0.4, 4.1, 19.0, 12, -2.4),
        (10.0, 27.9, -1.8, 3.4, 15.5, 10, -1.8),
        (13.5, 27.8, -3.0, 2.7, 10.5, 8, -1.0),
        (17.0, 27.6, -4.0, 0.0, 0.0, 5, 0.0),
    ],
    "caudate": [
        (-9.0, 10.0, 14.0, 0.0, 0.0, -10, 0.0),
        (-6.0, 10.3, 14.6, 4.4, 6.6, -14, 0.0),
        (-2.0, 11.2, 15.2, 5.0, 8.6, -22, 0.2),
        (2.0, 12.2, 15.2, 5.1, 10.2, -24, 0.4),
        (5.0, 12.8, 14.6, 5.1, 11.0, -23, 0.5),
        (8.0, 13.4, 13.0, 5.0, 11.8, -18, 0.6),
        (12.0, 13.9, 10.6, 4.8, 12.6, -11, 0.6),
        (16.0, 14.8, 7.2, 4.4, 13.4, -4, 0.5),
        (20.0, 16.4, 3.0, 3.2, 13.5, 2, 0.2),
        (23.5, 17.8, -0.5, 1.9, 12.0, 5, 0.0),
        (26.5, 18.6, -3.0, 0.0, 0.0, 6, 0.0),
    ],
    "thalamus": [
        (-4.8, 14.0, -23.0, 0.0, 0.0, 30, 0.0),
        (-2.8, 13.0, -21.5, 5.0, 9.0, 28, 0.0),
        (0.0, 11.8, -19.0, 7.0, 14.0, 24, 0.0),
        (4.0, 11.3, -17.8, 7.8, 16.4, 21, -0.3),
        (8.0, 11.3, -17.2, 8.2, 16.4, 21, -0.5),
        (12.0, 11.2, -16.4, 7.8, 14.6, 22, -0.5),
        (16.0, 10.8, -15.5, 5.4, 10.5, 24, 0.0),
        (19.0, 11.0, -15.5, 0.0, 0.0, 24, 0.0),
    ],
    "red_nucleus": [
        (-14.2, 4.8, -20.8, 0.0, 0.0, 5, 0.0),
        (-12.0, 4.9, -20.4, 2.9, 3.4, 5, 0.0),
        (-9.0, 5.1, -19.6, 3.4, 4.0, 5, 0.0),
        (-6.5, 5.4, -18.8, 2.8, 3.3, 5, 0.0),
        (-4.4, 5.6, -18.2, 0.0, 0.0, 5, 0.0),
    ],
    "substantia_nigra": [
        (-19.5, 8.2, -19.5, 0.0, 0.0, 40, -0.5),
        (-17.0, 8.9, -18.6, 1.9, 5.4, 40, -1.0),
        (-14.0, 9.8, -17.0, 2.2, 6.8, 38, -1.4),
        (-11.0, 10.9, -15.2, 2.1, 6.6, 36, -1.4),
        (-8.5, 12.0, -13.6, 1.6, 4.6, 34, -1.0),
        (-7.0, 12.6, -12.8, 0.0, 0.0, 34, -0.5),
    ],
}
# Body and tail of the caudate, an arch around the thalamus: x, y, z, radius in mm
CAUDATE_TAIL = np.array(
    [
        (17.6, -8.0, 22.5, 2.6),
        (19.2, -16.0, 22.0, 2.2),
        (22.0, -24.0, 19.5, 1.9),
        (26.0, -31.5, 14.5, 1.6),
        (29.5, -36.0, 7.5, 1.4),
        (32.0, -35.0, 0.0, 1.3),
        (34.0, -29.0, -6.0, 1.2),
        (34.5, -22.0, -9.5, 1.1),
    ]
)
# The dentate is a crumpled sheet, hollow and open towards the fourth ventricle
DENTATE_CENTRE = np.array([12.0, -54.6, -36.4])
DENTATE_AXES = np.array([4.5, 9.0, 6.2])  # mm, to the middle of the sheet: across, along, up
DENTATE_ANGLE = 35.0  # degrees from anterior towards lateral: its hollow side looks forward and inward
DENTATE_SHEET = 2.5  # mm thick
DENTATE_FOLDS, DENTATE_FOLD_HEIGHT = 13, 0.10  # on a whole turn; relative to the axes


def _fine_axis(start: float, stop: float) -> NDArray[np.float64]:
    """Sample whole millimetre voxels from `start` to `stop` with OVERSAMPLING points in each."""
    count = round(stop - start + 1) * OVERSAMPLING
    return start - 0.5 + (np.arange(count) + 0.5) / OVERSAMPLING


def _paint(anatomy: Anatomy, lower: NDArray[np.float64], inside: NDArray[np.bool_]) -> Float:
    """Average a finely sampled shape to voxels and put it where its first voxel's centre `lower` (mm) says."""
    shape = tuple(n // OVERSAMPLING for n in inside.shape)
    blocks = inside.reshape(shape[0], OVERSAMPLING, shape[1], OVERSAMPLING, shape[2], OVERSAMPLING)
    fraction = np.zeros(anatomy.mask.shape, np.float32)
    first = np.rint(anatomy.voxels(lower)).astype(int)
    fraction[tuple(slice(a, a + n) for a, n in zip(first, shape, strict=True))] = blocks.mean((1, 3, 5))
    return fraction


def draw_loft(anatomy: Anatomy, levels: list[tuple[float, ...]]) -> Float:
    """Draw a stack of cross-sections (see LOFTS for the columns); returns fractions of the right side."""
    table = np.array(levels)
    reach = table[:, 3:5].max() + np.abs(table[:, 6]).max() + 2
    lower = np.floor([table[:, 1].min() - reach, table[:, 2].min() - reach, table[0, 0] - 1])
    upper = np.ceil([table[:, 1].max() + reach, table[:, 2].max() + reach, table[-1, 0] + 1])
    x, y, z = (_fine_axis(a, b) for a, b in zip(lower, upper, strict=True))
    cx, cy, a2, b2, angle, bend = (
        np.interp(z, table[:, 0], column, left=0, right=0)
        for column in (table[:, 1], table[:, 2], table[:, 3] ** 2, table[:, 4] ** 2, table[:, 5], table[:, 6])
    )
    a, b = np.sqrt(np.maximum(a2, 1e-6)), np.sqrt(np.maximum(b2, 1e-6))
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    dx, dy = x[:, None, None] - cx, y[None, :, None] - cy
    # u runs posterior-lateral, as pallidum, putamen and thalamus do
    u, v = sin * dx - cos * dy, cos * dx + sin * dy
    v = v - bend * ((u / b) ** 2 - 0.5)
    inside = (np.abs(v / a) ** EXPONENT + np.abs(u / b) ** EXPONENT <= 1) & (a2 > 1e-3)
    return _paint(anatomy, lower, inside)


def draw_dentate(anatomy: Anatomy) -> Float:
    """Draw the right dentate: a folded ellipsoidal sheet without its anteromedial wall, the hilum."""
    reach = DENTATE_AXES.max() + DENTATE_SHEET
    lower, upper = np.floor(DENTATE_CENTRE - reach), np.ceil(DENTATE_CENTRE + reach)
    axes = (_fine_axis(a, b) for a, b in zip(lower, upper, strict=True))
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    dx, dy, dz = (p - c for p, c in zip((x, y, z), DENTATE_CENTRE, strict=True))
    angle = np.deg2rad(DENTATE_ANGLE)
    across, along = np.cos(angle) * dx - np.sin(angle) * dy, np.cos(angle) * dy + np.sin(angle) * dx
    p, q, r = across / DENTATE_AXES[0], along / DENTATE_AXES[1], dz / DENTATE_AXES[2]
    radius = np.sqrt(p**2 + q**2 + r**2)
    folds = DENTATE_FOLD_HEIGHT * np.sin(DENTATE_FOLDS * np.arctan2(p, q) + 4 * r)
    # one ellipsoid's radius in mm along each direction turns the relative distance into mm
    scale = np.sqrt(across**2 + along**2 + dz**2) / np.maximum(radius, 1e-6)
    sheet = np.abs(radius - 1 - folds) * scale < DENTATE_SHEET / 2
    hilum = (p < 0.05) & (np.abs(r) < 0.8)
    return _paint(anatomy, lower, sheet & ~hilum)


def _right_side(anatomy: Anatomy, name: str) -> Float:
    if name == "dentate":
        return draw_dentate(anatomy)
    fraction = draw_loft(anatomy, LOFTS[name])
    if name == "caudate":
        tail = smooth_curve(CAUDATE_TAIL[:, :3], CAUDATE_TAIL[:, 3])
        fraction = np.maximum(fraction, fill_tubes(anatomy, [Tube(*tail)]))
    if name in ("caudate", "putamen"):
        smooth = ndimage.gaussian_filter(anatomy.t1, 0.7)
        fraction = fraction / (1 + np.exp((smooth - CAPSULE_T1) / CAPSULE_WIDTH))
    return np.asarray(fraction * (1 - anatomy.csf), dtype=np.float32)


# Where two shapes claim a voxel, the earlier keeps its share: clear borders before those seen less well
PRIORITY = ("pallidum", "red_nucleus", "substantia_nigra", "dentate", "caudate", "thalamus", "putamen")


def draw_nuclei(anatomy: Anatomy) -> dict[tuple[str, str], Float]:
    """Return the fraction of every nucleus, keyed by (name, "left" or "right"); they never sum to more than one."""
    drawn: dict[str, Float] = {}
    free = anatomy.mask.astype(np.float32)
    for name in PRIORITY:
        right = np.minimum(ndimage.gaussian_filter(_right_side(anatomy, name), 0.4), free)
        drawn[name] = right
        free = free - np.maximum(right, right[::-1])
    return {
        (name, side): drawn[name] if side == "right" else drawn[name][::-1]
        for name in NUCLEI
        for side in ("left", "right")
    }
