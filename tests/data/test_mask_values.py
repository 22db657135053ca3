"""Masks are what they say, or they are refused with what to do."""

import numpy as np
import pytest

from qsmbench.core.errors import InputError
from qsmbench.data.mask_values import as_mask

BALL = sum(a**2 for a in np.meshgrid(*[np.linspace(-1, 1, n) for n in (12, 14, 10)], indexing="ij")) < 0.6


@pytest.mark.parametrize("inside", [1, 255, 0.5, 7.5])
def test_two_values_are_a_mask(inside):
    mask, notes = as_mask((inside * BALL).astype(np.float32), "m")
    np.testing.assert_array_equal(mask, BALL)
    assert notes == ()


def test_probabilities_are_cut_at_one_half_and_said():
    rng = np.random.default_rng(0)
    values = np.where(BALL, rng.uniform(0.5, 1, BALL.shape), rng.uniform(0, 0.499, BALL.shape)).astype(np.float32)
    mask, notes = as_mask(values, "m")
    np.testing.assert_array_equal(mask, BALL)
    assert "probabilities: inside from 0.5 on" in notes[0]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros(BALL.shape), "is empty"),
        (-1.0 * BALL, "an image, not a mask|empty"),
        (BALL * np.arange(12)[:, None, None] // 4, "several labels"),
        (np.random.default_rng(1).normal(500, 90, BALL.shape), "an image, not a mask"),
        (~BALL, "inverted"),
        (0.2 * BALL * np.linspace(0.1, 1, 12)[:, None, None], "no voxel of at least 0.5"),
    ],
)
def test_what_is_no_mask_is_refused(values, said):
    with pytest.raises(InputError, match=said):
        as_mask(values.astype(np.float32), "m")


@pytest.mark.parametrize("shape", [(4, 4, 4), (1, 5, 6)])
def test_a_mask_of_everything_is_one(shape):
    assert as_mask(np.ones(shape, np.float32), "m")[0].all()
