from dataclasses import replace
from math import pi

import numpy as np
import pytest

from qsmbench.simulation.shapes import Shape, fraction, paste
from qsmbench.simulation.warp import Window

BOX = Window((64, 60, 20), (0.7, 0.8, 3.0), (-22.4, -24.0, -30.0))
VOXEL = 0.7 * 0.8 * 3.0
BODIES = [
    Shape("sphere", (1.3, -2.2, 0.7), (7.0, 7.0, 7.0)),
    Shape("ellipsoid", (0.3, 1.2, -1.7), (9.0, 4.0, 6.0), (20.0, 40.0, -70.0)),
    Shape("cuboid", (-1.1, 0.2, 2.7), (5.0, 7.5, 3.0), (33.0, -12.0, 80.0)),
    Shape("cylinder", (0.1, 0.2, 0.3), (4.0, 4.0, 8.0), (75.0, 15.0, 0.0)),
    Shape("sphere", (0.21, 0.13, -0.4), (1.0, 1.0, 1.0)),
]


@pytest.mark.parametrize("body", BODIES, ids=lambda b: f"{b.kind}-{b.half_axes[0]:g}")
def test_partial_volumes_add_up_to_the_body(body):
    where, share = fraction(BOX, body)
    assert share.min() >= 0 and share.max() <= 1
    tolerance = 0.01 if max(body.half_axes) > 2 else 0.06
    assert share.sum() * VOXEL == pytest.approx(body.volume, rel=tolerance)
    centre = [
        ((np.arange(s.start, s.stop) + 0.5) * v + o) for s, v, o in zip(where, BOX.voxel_size, BOX.origin, strict=True)
    ]
    first_moment = np.einsum("ijk,i->", share, centre[0]) / share.sum()
    assert first_moment == pytest.approx(body.centre[0], abs=0.1)


@pytest.mark.parametrize("body", BODIES[:4], ids=lambda b: b.kind)
def test_pasted_chi_is_chi_times_the_volume_fraction(body):
    chi = np.zeros(BOX.shape, np.float32)
    paste(chi, np.ones(BOX.shape, bool), BOX, [replace(body, chi=1.7)])
    assert chi.mean() == pytest.approx(1.7 * body.volume / (np.prod(BOX.shape) * VOXEL), rel=0.01)
    assert chi.max() == pytest.approx(1.7)


def test_soft_edge_of_a_sphere():
    """The ramp of width w adds w^2 / 4 r to the volume: 4 pi / 3 (r^3 + r w^2 / 4); at the surface it is one half."""
    fine = Window((80, 80, 80), (0.25, 0.25, 0.25), (-10.0, -10.0, -10.0))
    body = Shape("sphere", (0.0, 0.0, 0.0), (6.0, 6.0, 6.0), edge=3.0)
    where, share = fraction(fine, body)
    assert share.sum() * 0.25**3 == pytest.approx(4 / 3 * pi * (6**3 + 6 * 9 / 4), rel=2e-3)
    whole = np.zeros(fine.shape, np.float32)
    whole[where] = share
    line = whole[40, 40]
    radius = np.abs((np.arange(80) - 39.5) * 0.25)
    np.testing.assert_allclose(line, np.clip(0.5 - (radius - 6) / 3, 0, 1), atol=0.01)


def test_soft_edge_of_an_ellipsoid_is_centred_on_its_surface():
    fine = Window((80, 80, 80), (0.25, 0.25, 0.25), (-10.0, -10.0, -10.0))
    body = Shape("ellipsoid", (0.0, 0.0, 0.0), (7.0, 4.0, 3.0), edge=1.0)
    where, share = fraction(fine, body)
    assert share.sum() * 0.25**3 == pytest.approx(body.volume, rel=0.03)
    whole = np.zeros(fine.shape, np.float32)
    whole[where] = share
    for axis, half in enumerate(body.half_axes):
        line = np.moveaxis(whole, axis, 0)[:, 40, 40]
        assert np.interp(half, (np.arange(80) - 39.5) * 0.25, line) == pytest.approx(0.5, abs=0.03)


def test_bodies_replace_tissue_and_never_leave_its_bounds():
    rng = np.random.default_rng(0)
    chi = rng.uniform(-0.1, 0.1, BOX.shape).astype(np.float32)
    paste(
        chi,
        np.ones(BOX.shape, bool),
        BOX,
        [replace(b, chi=c, edge=1.0) for b, c in zip(BODIES, [2, -2, 2, -2, 2], strict=True)],
    )
    assert chi.max() <= 2 and chi.min() >= -2
    alone = rng.uniform(-0.1, 0.1, BOX.shape).astype(np.float32)
    paste(alone, np.ones(BOX.shape, bool), BOX, [replace(BODIES[0], chi=0.5)])
    centre = tuple(int((c - o) / v) for c, o, v in zip(BODIES[0].centre, BOX.origin, BOX.voxel_size, strict=True))
    assert alone[centre] == pytest.approx(0.5)


def test_nothing_is_left_outside_the_mask():
    mask = np.zeros(BOX.shape, bool)
    mask[:32] = True
    chi = np.zeros(BOX.shape, np.float32)
    paste(chi, mask, BOX, [replace(BODIES[0], chi=1.0)])
    assert chi[:32].max() == 1 and not chi[32:].any()


def test_cut_and_missed_by_the_window():
    body = replace(BODIES[0], centre=(-22.4, -24.0, 0.0))
    _, share = fraction(BOX, body)
    assert share.sum() * VOXEL == pytest.approx(body.volume / 4, rel=0.02)
    assert fraction(BOX, replace(body, centre=(90.0, 0.0, 0.0))) is None
