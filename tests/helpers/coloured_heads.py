"""Heads of smooth and sharp tissue whose fields err as measured ones do: more at low frequencies."""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from qsmbench.core.grid import Grid
from qsmbench.core.scan import Scan
from qsmbench.physics.dipole import forward_field

GRIDS = {
    "oblique": Grid((44, 48, 40), (1.0, 1.1, 1.2), (0.3, 0.1, 0.95)),
    "thick": Grid((48, 44, 18), (1.0, 1.0, 3.0)),
}


def head(grid, error=0.006):
    """Tissue with edges and texture, its field, and an error that grows towards low frequencies."""
    rng = np.random.default_rng(2)
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in grid.shape], indexing="ij")
    mask = sum(a**2 for a in axes) < 0.85
    smooth = [gaussian_filter(rng.standard_normal(grid.shape), [s / v for v in grid.voxel_size]) for s in (3, 1.2)]
    chi = (0.03 * np.sign(smooth[0]) + 0.01 * smooth[1] / smooth[1].std()) * mask
    chi = torch.from_numpy(chi.astype(np.float32))
    noise = rng.standard_normal(grid.shape)
    x, y, z = (np.fft.fftfreq(n, v) ** 2 for n, v in zip(grid.shape, grid.voxel_size, strict=True))
    k = np.sqrt(x[:, None, None] + y[:, None] + z)
    coloured = np.fft.ifftn(np.fft.fftn(noise) * (0.2 / np.maximum(k, 0.03)) ** 1.3).real
    field = forward_field(chi, grid) + torch.from_numpy((error * coloured).astype(np.float32))
    return Scan(field, torch.from_numpy(mask), grid), chi


def error(chi, truth, mask):
    a, b = chi[mask], truth[mask]
    return float((a - a.mean() - b + b.mean()).norm() / (b - b.mean()).norm())
