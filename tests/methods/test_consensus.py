"""Consensus: the weighted mean of three methods' maps, RTS by the share of the error that is not white."""

import pytest
import torch
from coloured_heads import GRIDS, error, head

from qsmbench.core.scan import Scan
from qsmbench.methods.consensus import Consensus, coloured_share
from qsmbench.methods.inr import INRQSM
from qsmbench.methods.rts import RTS
from qsmbench.methods.spectral_tv import SpectralTV
from qsmbench.physics.dipole import forward_field


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_it_is_the_weighted_mean_and_errs_no_more_than_its_parts_on_average(weight):
    scan, chi = head(GRIDS["thick"])
    maps = [SpectralTV()(scan), INRQSM(epochs=4)(scan), RTS()(scan)]
    shares = torch.tensor([1.0, 1.0, weight]) / (2 + weight)
    found = Consensus(rts_weight=weight, epochs=4).reconstruct(scan)
    expected = sum(share * part for share, part in zip(shares, maps, strict=True))
    torch.testing.assert_close(found.chi, expected, rtol=0, atol=1e-6)
    squares = torch.tensor([error(part, chi, scan.mask) ** 2 for part in maps])
    assert error(found.chi, chi, scan.mask) ** 2 <= float((shares * squares).sum())
    assert any(course.name.startswith("RTS") for course in found.convergence) == (weight > 0)


def test_rts_counts_where_the_error_is_not_white():
    scan, chi = head(GRIDS["oblique"])
    white = forward_field(chi, scan.grid) + 0.0025 * torch.randn(chi.shape, generator=torch.Generator().manual_seed(1))
    assert coloured_share(Scan(white, scan.mask, scan.grid)) == 0
    assert 0.3 < coloured_share(scan) < 1
    note = Consensus(epochs=1).reconstruct(scan).notes[0]
    assert note.startswith(f"weight of RTS beside 1 of Spectral TV and 1 of INR-QSM: {coloured_share(scan):.1g}"[:-1])
