from dataclasses import dataclass

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from qsmbench.metrics.case import Case

VOXEL_SIZE = (0.75, 0.75, 3.0)


@dataclass(frozen=True)
class Maps:
    """A reference like tissue (ppm), an estimate of it with blur, noise and an offset, and a mask."""

    estimate: np.ndarray
    reference: np.ndarray
    mask: np.ndarray
    voxel_size: tuple[float, float, float] = VOXEL_SIZE

    @property
    def case(self) -> Case:
        return Case.of(*self.args, self.voxel_size)

    @property
    def args(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.estimate, self.reference, self.mask


def _make_maps(shape, *, seed=0, touching=False) -> Maps:
    """``touching``: the mask reaches the volume's edge, where crops and filters can go wrong."""
    rng = np.random.default_rng(seed)
    reference = gaussian_filter(rng.normal(size=shape), 1.2)
    reference *= 0.06 / reference.std()
    estimate = 0.8 * gaussian_filter(reference, 0.6) + 0.01 * rng.normal(size=shape) + 0.005
    axes = np.ogrid[tuple(slice(0, n) for n in shape)]
    reach = 0.62 if touching else 0.36
    distance = sum(((x - (n - 1) / 2) / (reach * n)) ** 2 for x, n in zip(axes, shape, strict=True))
    mask = distance < 1
    mask[shape[0] // 2 :, shape[1] // 2, shape[2] // 2] = False
    return Maps(estimate.astype(np.float32), reference.astype(np.float32), mask)


@pytest.fixture(params=["inside", "touching"])
def maps(request) -> Maps:
    return _make_maps((24, 29, 21), touching=request.param == "touching")


@pytest.fixture
def free_maps() -> Maps:
    """Maps whose mask keeps away from the edge by more than any filter reaches."""
    small = _make_maps((14, 15, 13))
    return Maps(*(np.pad(volume, 8) for volume in small.args))


@pytest.fixture
def large_maps() -> Maps:
    """Maps in which one window is a small part of the mask."""
    return _make_maps((56, 52, 48))
