"""Where a scan lies in its volume and in which order it is stored changes no map of any method."""

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
import torch

from qsmbench.core.grid import Grid
from qsmbench.core.orientation import Orientation
from qsmbench.core.scan import Scan
from qsmbench.methods.place import Place
from qsmbench.methods.registry import METHODS, build

# Fewer iterations where a method has many: this is about form, not quality.
QUICK = {"inr-qsm": {"epochs": 2}, "dip": {"max_iterations": 2, "channels": 2}}
VOLUMES = ("local_field", "mask", "magnitude", "field_noise")


def stored(scan, axes, flips):
    """The same scan in another voxel order."""
    order = Orientation(axes, flips)
    return replace(scan, **{n: order.apply(getattr(scan, n)) for n in VOLUMES}, grid=order.grid(scan.grid)), order


def moved(scan, before, after):
    """The same scan with so many voxels of air stored before and after along each axis; negative ones cut it off."""
    window = [(-b, n + a) for b, a, n in zip(before, after, scan.grid.shape, strict=True)]
    volumes = {}
    for name in VOLUMES:
        volume = getattr(scan, name)
        out = torch.zeros([stop - start for start, stop in window], dtype=volume.dtype)
        here = tuple(slice(max(s, 0) - s, min(e, n) - s) for (s, e), n in zip(window, volume.shape, strict=True))
        there = tuple(slice(max(s, 0), min(e, n)) for (s, e), n in zip(window, volume.shape, strict=True))
        out[here] = volume[there]
        volumes[name] = out
    matrix = scan.grid.matrix
    matrix[:3, 3] -= matrix[:3, :3] @ before
    shape = volumes["mask"].shape
    grid = Grid(tuple(shape), scan.grid.voxel_size, scan.grid.b0_dir, tuple(map(tuple, matrix.tolist())))
    return replace(scan, **volumes, grid=grid), window


def to_the_mask(scan):
    """How many voxels to cut off each end so that the mask touches all six faces."""
    inside = torch.nonzero(scan.mask)
    low, high = inside.amin(0), inside.amax(0)
    return [-int(v) for v in low], [int(h) + 1 - n for h, n in zip(high, scan.grid.shape, strict=True)]


@pytest.fixture(params=[name for name in METHODS if name != "command"])
def method(request, weights_for):
    return build(request.param, QUICK.get(request.param, {}), weights_for(request.param))


def test_every_method_is_indifferent_to_order_and_position(method, small_scan):
    expected = method(small_scan)
    turned, order = stored(small_scan, (2, 0, 1), (True, False, True))
    assert torch.equal(method(turned), order.apply(expected))
    cropped, window = moved(small_scan, *to_the_mask(small_scan))
    inner = tuple(slice(start, stop) for start, stop in window)
    assert torch.equal(method(cropped), expected[inner])
    off, window = moved(small_scan, (9, 0, 2), (0, 5, 1))
    inner = tuple(slice(-start, -start + n) for (start, _), n in zip(window, expected.shape, strict=True))
    assert torch.equal(method(off)[inner], expected)


def test_a_place_is_the_same_in_all_48_orders_and_gives_back_what_it_took(small_scan):
    expected = Place.of(small_scan, 3)
    for axes in permutations(range(3)):
        for flips in product((False, True), repeat=3):
            turned, order = stored(small_scan, axes, flips)
            place = Place.of(turned, 3)
            for name in VOLUMES:
                assert torch.equal(getattr(place.scan, name), getattr(expected.scan, name))
            assert place.scan.grid.b0_dir == pytest.approx(expected.scan.grid.b0_dir)
            assert torch.equal(place.restore(place.scan.local_field), order.apply(small_scan.local_field))
            fine = place.scan.local_field
            for axis in range(3):
                fine = fine.repeat_interleave(2, dim=axis)
            whole = turned.local_field
            for axis in range(3):
                whole = whole.repeat_interleave(2, dim=axis)
            assert torch.equal(place.restore(fine, 2), whole)


def test_a_mask_at_the_rim_has_its_margin_too():
    grid = Grid((5, 6, 7), (1.0, 1.0, 2.0))
    scan = Scan(np.ones(grid.shape, np.float32), np.ones(grid.shape, bool), grid)
    place = Place.of(scan, 4)
    assert place.scan.grid.shape == (13, 14, 15)
    assert float(place.scan.local_field.sum()) == 5 * 6 * 7
    world = place.scan.grid.matrix @ [4, 4, 4, 1]
    np.testing.assert_allclose(world, grid.matrix @ [0, 0, 0, 1])
