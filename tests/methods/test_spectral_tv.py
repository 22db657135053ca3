"""Wiener and Spectral TV: spectra from the scan, in closed form and together with edges."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from coloured_heads import GRIDS, error, head
from scipy.ndimage import gaussian_filter

from qsmbench.methods.spectral_tv import SpectralTV
from qsmbench.methods.wiener import Wiener


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
