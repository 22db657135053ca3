"""The masked Laplacian is exact on quadratics and blind outside the mask."""

import numpy as np
import torch

from qsmbench.physics.laplacian import masked_laplacian


def test_quadratics_are_exact_inside_and_values_outside_do_not_matter():
    voxel_size = (0.8, 1.0, 2.2)
    axes = [v * np.arange(n) for n, v in zip((12, 9, 7), voxel_size, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    volume = torch.from_numpy(x**2 - 3 * y**2 + 0.5 * z**2 + x * y - z)
    mask = torch.zeros(volume.shape, dtype=torch.bool)
    mask[2:-2, 1:-1, 1:-1] = True
    found = masked_laplacian(volume, mask, voxel_size)
    np.testing.assert_allclose(found[3:-3, 2:-2, 2:-2], 2 - 6 + 1, atol=1e-10)
    assert bool((found[~mask] == 0).all())
    dirty = torch.where(mask, volume, torch.tensor(1e6, dtype=volume.dtype))
    torch.testing.assert_close(masked_laplacian(dirty, mask, voxel_size), found, rtol=0, atol=0)
    # At a face of the mask the two axes along it still count.
    np.testing.assert_allclose(found[2, 2:-2, 2:-2], -6 + 1, atol=1e-10)


def test_a_single_slice_has_no_second_difference_across():
    volume = torch.arange(25.0).reshape(5, 5, 1) ** 2
    found = masked_laplacian(volume, torch.ones_like(volume, dtype=torch.bool), (1.0, 1.0, 1.0))
    assert found[2, 2, 0] == 2 + 50
