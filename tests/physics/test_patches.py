"""Patches of the dipole model, and the field of what lies outside them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmbench.core.grid import Grid
from qsmbench.physics.dipole import DipoleConvolution
from qsmbench.physics.patches import even_stride, outside_field, patch_boxes, patch_filter

PATCH = (16, 12, 9)


@pytest.fixture(scope="module")
def chi(oblique_grid):
    return torch.from_numpy(np.random.default_rng(0).normal(scale=0.05, size=oblique_grid.shape))


@pytest.mark.parametrize("padding", [1.0, 1.3, 2.0])
def test_compensated_residual_of_the_true_chi_vanishes(oblique_grid, chi, padding):
    """Anisotropic, oblique, overlapping: field - field of chi outside = field of chi inside, to 1e-5 and better."""
    whole = DipoleConvolution(oblique_grid, padding, dtype=torch.float64)
    field = whole(chi)
    boxes = patch_boxes(oblique_grid.shape, PATCH, (6, 4, 3))
    inside = patch_filter(whole, PATCH)
    assert len(boxes) == 4 * 5 * 4
    for box in boxes:
        # What is outside, computed on its own: the whole with a hole.
        hollow = chi.clone()
        hollow[box] = 0
        compensated = field[box] - whole(hollow)[box]
        residual = compensated - inside(chi[box].contiguous())
        assert float(residual.norm()) < 1e-12 * float(compensated.norm())
        torch.testing.assert_close(outside_field(chi, field, box, inside), whole(hollow)[box], rtol=0, atol=1e-14)


def test_in_single_precision_it_vanishes_to_1e_5(oblique_grid, chi):
    whole = DipoleConvolution(oblique_grid)
    field = whole(chi.float())
    inside = patch_filter(whole, PATCH)
    box = (slice(7, 23), slice(5, 17), slice(4, 13))
    residual = field[box] - outside_field(chi.float(), field, box, inside) - inside(chi.float()[box].contiguous())
    hollow = chi.float().clone()
    hollow[box] = 0
    assert float(residual.norm()) < 1e-5 * float(field[box].norm())
    assert float((outside_field(chi.float(), field, box, inside) - whole(hollow)[box]).norm()) < 1e-5 * float(
        field[box].norm()
    )


def test_without_compensation_it_does_not(oblique_grid, chi):
    whole = DipoleConvolution(oblique_grid, dtype=torch.float64)
    box = (slice(7, 23), slice(5, 17), slice(4, 13))
    residual = whole(chi)[box] - patch_filter(whole, PATCH)(chi[box].contiguous())
    assert float(residual.norm()) > 0.1 * float(whole(chi)[box].norm())


def test_a_patch_as_large_as_the_volume_is_the_volume(oblique_grid):
    whole = DipoleConvolution(oblique_grid)
    assert patch_filter(whole, oblique_grid.shape) is whole


def test_a_patch_of_one_voxel():
    whole = DipoleConvolution(Grid((5, 6, 7), (1, 1, 2)), dtype=torch.float64)
    point = torch.zeros(5, 6, 7, dtype=torch.float64)
    point[2, 3, 4] = 1
    one = patch_filter(whole, (1, 1, 1))(torch.ones(1, 1, 1, dtype=torch.float64))
    torch.testing.assert_close(one[0, 0, 0], whole(point)[2, 3, 4])


sizes = st.tuples(*[st.integers(1, 40)] * 3)


@settings(max_examples=25, deadline=None)
@given(shape=sizes, patch=sizes, overlap=st.floats(0, 0.9))
def test_patches_of_one_size_cover_the_volume(shape, patch, overlap):
    stride = even_stride(shape, patch, overlap)
    covered = torch.zeros(shape, dtype=torch.bool)
    for box in patch_boxes(shape, patch, stride):
        assert covered[box].shape == tuple(min(n, p) for n, p in zip(shape, patch, strict=True))
        covered[box] = True
    assert bool(covered.all())
