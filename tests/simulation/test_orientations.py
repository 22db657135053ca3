"""Simulated orientations: geometry, noise, determinism."""

import numpy as np
import pytest
import torch

from qsmbench.core.errors import InputError
from qsmbench.physics.dipole import forward_field
from qsmbench.simulation.orientations import multi_orientation, rotated


def test_rotation_keeps_length_and_angle():
    start, axis = (0.31, -0.22, 0.92), (1.0, 2.0, -0.5)
    turned = rotated(start, 77, axis)
    assert np.linalg.norm(turned) == pytest.approx(np.linalg.norm(start))
    assert np.dot(turned, axis) == pytest.approx(np.dot(start, axis))
    np.testing.assert_allclose(rotated(turned, -77, axis), start, atol=1e-12)
    np.testing.assert_allclose(rotated(axis, 50, axis), axis, atol=1e-12)
    with pytest.raises(InputError, match="axis must be a non-zero vector"):
        rotated(start, 10, (0, 0, 0))


def test_each_scan_is_the_field_of_its_direction(small_chi, small_scan):
    chi = torch.from_numpy(small_chi)
    b0_dirs = [small_scan.grid.b0_dir, (1.0, 0.0, 0.0)]
    first, second = multi_orientation(chi, small_scan.mask, small_scan.grid, b0_dirs)
    assert first.grid == small_scan.grid
    assert second.grid.b0_dir == (1.0, 0.0, 0.0)
    assert first.field_noise is None
    expected = torch.where(small_scan.mask, forward_field(chi, small_scan.grid), 0.0)
    torch.testing.assert_close(first.local_field, expected)
    assert not torch.allclose(first.local_field, second.local_field, atol=1e-3)


def test_noise_is_drawn_for_each_scan_and_is_reproducible(small_chi, small_scan):
    arguments = torch.from_numpy(small_chi), small_scan.mask, small_scan.grid, [small_scan.grid.b0_dir] * 2
    clean = multi_orientation(*arguments)[0].local_field
    a, b = multi_orientation(*arguments, noise=0.01, generator=np.random.default_rng(3))
    again = multi_orientation(*arguments, noise=0.01, generator=np.random.default_rng(3))
    assert torch.equal(a.local_field, again[0].local_field)
    assert torch.equal(b.local_field, again[1].local_field)
    noise = torch.stack([s.local_field - clean for s in (a, b)])[:, small_scan.mask]
    assert float(noise.std()) == pytest.approx(0.01, rel=0.05)
    assert abs(float(torch.corrcoef(noise)[0, 1])) < 0.1
    assert float(a.field_noise.max()) == pytest.approx(0.01)


def test_noise_needs_a_generator(small_chi, small_scan):
    arguments = torch.from_numpy(small_chi), small_scan.mask, small_scan.grid, [(0.0, 0.0, 1.0)]
    with pytest.raises(InputError, match=r"needs a numpy\.random\.Generator"):
        multi_orientation(*arguments, noise=0.01)
    with pytest.raises(InputError, match="standard deviation"):
        multi_orientation(*arguments, noise=-1)
