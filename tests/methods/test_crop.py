"""Cropping keeps every voxel where it is in the world."""

import numpy as np
import torch

from qsmbench.methods.crop import crop_scan, mask_box, uncrop


def test_the_box_is_tight_and_the_margin_stops_at_the_edge():
    mask = torch.zeros(10, 12, 8, dtype=torch.bool)
    mask[3:5, 1:11, 7] = True
    assert mask_box(mask) == (slice(3, 5), slice(1, 11), slice(7, 8))
    assert mask_box(mask, 2) == (slice(1, 7), slice(0, 12), slice(5, 8))


def test_a_cropped_scan_lies_at_the_same_place_and_returns_there(small_scan):
    box = mask_box(small_scan.mask)
    cropped = crop_scan(small_scan, box)
    start = np.array([s.start for s in box])
    assert start.max() > 0
    world = small_scan.grid.matrix @ [*(start + 1), 1]
    np.testing.assert_allclose(cropped.grid.matrix @ [1, 1, 1, 1], world)
    assert cropped.grid.b0_dir == small_scan.grid.b0_dir
    assert cropped.b0 == small_scan.b0
    assert torch.equal(uncrop(cropped.local_field, box, small_scan.grid), small_scan.local_field)
    assert torch.equal(cropped.magnitude, small_scan.magnitude[box])
    assert torch.equal(cropped.field_noise, small_scan.field_noise[box])
