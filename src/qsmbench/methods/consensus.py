"""Consensus: the mean of maps whose methods err in different ways.

    chi = ( Spectral TV + INR-QSM + c RTS ) / (2 + c),        c = max(0, 1 - noise^2 / level^2)

Edges and spectra in closed terms, a neural field, and a truncated Krylov space leave different errors, and the mean of
estimates of one quantity has no larger an error than they have on average (averaging over models: Hoeting 1999, doi
10.1214/ss/1009212519). c is the share of the field's error that is not white: level^2 is its power where a brain's
signal meets it (`field_error`), noise^2 that of single voxels (`field_loss.noise_level`). RTS counts by it, since it is
far behind the others where noise is white (docs/methods.md). Which three, and c, were chosen on `measured-like` fields
of the 2016 COSMOS head at 1.06 and 2.1 mm, in thick slices and oblique, and on fields without noise and with white
noise. The combination is ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from qsmbench.core.scan import Scan
from qsmbench.methods.contract import Method, Reconstruction, parameter
from qsmbench.methods.convergence import Convergence
from qsmbench.methods.field_error import field_error
from qsmbench.methods.field_loss import noise_level
from qsmbench.methods.inr import INRQSM
from qsmbench.methods.rts import RTS
from qsmbench.methods.spectral_tv import SpectralTV


@dataclass(frozen=True)
class Consensus(Method):
    """Weighted mean of Spectral TV, INR-QSM and RTS at their defaults (ours)."""

    rts_weight: float | None = parameter(
        None, "c: weight of RTS beside 1 and 1; by default the share of the error that is not white", at_least=0
    )
    epochs: int = parameter(INRQSM.epochs, "most passes of INR-QSM's fit", at_least=1)

    def invert(self, scan: Scan) -> Reconstruction:
        """Run the three and average them."""
        weight = coloured_share(scan) if self.rts_weight is None else self.rts_weight
        parts: list[tuple[Method, float]] = [(SpectralTV(), 1.0), (INRQSM(epochs=self.epochs), 1.0)]
        if weight > 0:
            parts.append((RTS(), weight))
        total = sum(share for _, share in parts)
        chi = torch.zeros_like(scan.local_field)
        courses: list[Convergence] = []
        notes = [f"weight of RTS beside 1 of Spectral TV and 1 of INR-QSM: {weight:.2g}"]
        for method, share in parts:
            found = method.reconstruct(scan)
            chi.add_(found.chi, alpha=share / total)
            courses += found.convergence
            notes += found.notes
        return Reconstruction(chi, tuple(courses), notes=tuple(notes))


def coloured_share(scan: Scan) -> float:
    """Share of the power of a field's error that white noise of single voxels does not explain, 0 to 1."""
    level = field_error(scan).level
    return max(0.0, 1.0 - (noise_level(scan) / level) ** 2)
