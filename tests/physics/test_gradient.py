"""The power of the finite differences against the differences themselves."""

import numpy as np
import pytest
import torch

from qsmbench.physics.gradient import gradient_power


@pytest.mark.parametrize("shape", [(6, 5, 4), (5, 4, 7), (1, 2, 3), (3, 1, 1)])
def test_power_is_that_of_first_differences(shape):
    voxel_size = (0.8, 1.0, 2.5)
    impulse = np.zeros(shape)
    impulse[0, 0, 0] = 1
    wanted = np.zeros((*shape[:2], shape[2] // 2 + 1))
    for axis, h in enumerate(voxel_size):
        wanted += np.abs(np.fft.rfftn((np.roll(impulse, -1, axis) - impulse) / h)) ** 2
    power = gradient_power(shape, voxel_size, torch.float64)
    np.testing.assert_allclose(power.numpy(), wanted, atol=1e-13)
    assert float(power[0, 0, 0]) == 0


def test_power_tends_to_that_of_the_derivative():
    power = gradient_power((64, 64, 64), (1.0, 2.0, 0.5), torch.float64)
    for index, extent in (((1, 0, 0), 64), ((0, 1, 0), 128), ((0, 0, 1), 32)):
        assert float(power[index]) == pytest.approx((2 * np.pi / extent) ** 2, rel=1e-3)


def test_dtype():
    assert gradient_power((4, 4, 4), (1, 1, 1)).dtype == torch.float32
