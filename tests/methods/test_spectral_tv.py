"""Wiener and Spectral TV: spectra from the scan, in closed form and together with edges."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from qsmbench.core.grid import Grid
from qsmbench.core.scan import Scan
from qsmbench.methods.spectral_tv import SpectralTV
from qsmbench.methods.wiener import Wiener
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


@pytest.mark.parametrize("name", GRIDS)
def test_both_are_nearer_to_the_truth_than_no_map(name):
    scan, chi = head(GRIDS[name], 0.003)
    joint, wiener = (error(m(scan), chi, scan.mask) for m in (SpectralTV(), Wiener()))
    assert joint < wiener < 0.9


@pytest.mark.parametrize("method", [SpectralTV(), Wiener()])
def test_chi_scales_with_the_field(method):
    scan, _ = head(GRIDS["thick"])
    once = method(scan)
    if isinstance(method, SpectralTV):
        # Its threshold changes the speed alone; it must scale for the same iterates.
        method = replace(method, threshold=3 * method.threshold)
    torch.testing.assert_close(method(replace(scan, local_field=3 * scan.local_field)), 3 * once, rtol=0, atol=2e-3)


def test_without_a_field_there_is_no_chi():
    scan, _ = head(GRIDS["thick"])
    nothing = replace(scan, local_field=0 * scan.local_field)
    for method in (SpectralTV(), Wiener()):
        assert float(method(nothing).abs().max()) == 0


def test_both_say_what_they_found():
    scan, _ = head(GRIDS["thick"])
    assert "white noise of" in Wiener().reconstruct(scan).notes[0]
    found = SpectralTV().reconstruct(scan)
    assert "alpha chosen" in found.notes[1]
    assert found.convergence[0].converged


def test_a_rim_that_is_worse_counts_less():
    scan, chi = head(GRIDS["oblique"], 0.002)
    spoilt = np.random.default_rng(4).standard_normal(scan.grid.shape).astype(np.float32)
    inside = torch.from_numpy(gaussian_filter(scan.mask.numpy().astype(np.float32), 2) > 0.9) & scan.mask
    rim = scan.mask & ~inside
    noisy = replace(scan, local_field=scan.local_field + 0.03 * torch.from_numpy(spoilt) * rim)
    trusting = SpectralTV(max_iterations=8)
    wary = SpectralTV(max_iterations=24)
    gains = [error(trusting(s), chi, inside) - error(wary(s), chi, inside) for s in (scan, noisy)]
    assert gains[1] > gains[0]
    assert error(wary(noisy), chi, inside) < error(trusting(noisy), chi, inside)
