import numpy as np
import pytest

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.simulation.source import Source

GRID = Grid((10, 12, 14), (2.0, 2.0, 2.0))


def test_box_centre_and_points():
    mask = np.zeros(GRID.shape, bool)
    mask[2:8, 3:9, 4:12] = True
    source = Source(np.zeros(GRID.shape), mask, GRID)
    assert source.box == (slice(2, 8), slice(3, 9), slice(4, 12))
    np.testing.assert_array_equal(source.centre, (4.5, 5.5, 7.5))
    assert source.stride == 1 and len(source.points) == mask.sum() == source.n_inside
    np.testing.assert_allclose(source.points.mean(axis=0), 0, atol=1e-12)
    assert source.point_volume == 8.0
    assert source.half_diagonal == pytest.approx(np.linalg.norm((12, 12, 16)) / 2)


@pytest.mark.parametrize(
    ("chi", "mask", "said"),
    [
        (np.zeros((3, 3, 3)), np.ones(GRID.shape), "source chi has shape"),
        (np.zeros(GRID.shape), np.ones((3, 3, 3)), "source mask has shape"),
        (np.zeros(GRID.shape), np.zeros(GRID.shape), "mask is empty"),
        (np.full(GRID.shape, np.nan), np.ones(GRID.shape), "NaN"),
        (np.full(GRID.shape, 30.0), np.ones(GRID.shape), "is it in ppm"),
    ],
)
def test_refuses(chi, mask, said):
    with pytest.raises(InputError, match=said):
        Source(chi, mask, GRID)
