"""What a chi map, or a patch of one, is charged with: the field it fails to explain, and its own variation.

    loss = mean_m w |r|^2  +  tau mean_m sum_i WG_i rho(G_i chi)  +  gamma mean_m sum_i |G_i r|^2,   r = D chi - field

the three terms of Zhang 2024 (doi 10.1016/j.media.2024.103173), whose rho is the square. rho = "l1" is sqrt(g^2 +
e^2) - e instead: total variation, as in TV and MEDI. chi and r are in units of 0.05 ppm, a common contrast, G is the
forward difference between voxels of the mask over its length in smallest voxel edges, so that the terms are comparable
at any resolution. w is the squared inverse noise with mean 1 where a noise map is given.

Where the error of the field is known by frequency (`Colour`), mean_m w |r|^2 is <w^(1/2) r, Q w^(1/2) r> over the
number of voxels instead, and <chi, P chi> joins it; Q and P are filters (`inr_noise`).

WG = clip((p_high - |g|) / (p_high - p_low), floor, 1): 1 where an initial map is flat, with the percentiles of |g|
pooled over the three axes inside the mask (Zhang 2024: 50, 70 and floor 0; the map: FastQSM).

Some voxels are held out of the data terms, one by one or in blocks. Their residual is what the fit predicts and was
never shown: it falls as long as the fit learns and stops falling, or rises, when it learns noise. An error that is
alike in neighbours is learned from them, which blocks alone show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from qsmbench.core.grid import Triple
from qsmbench.core.scan import Scan
from qsmbench.core.seeds import generator_for
from qsmbench.methods.medi_weights import data_weights
from qsmbench.methods.percentile_weights import percentiles
from qsmbench.physics.fourier import FourierFilter
from qsmbench.physics.patches import Box

UNIT = 0.05
# Median absolute value of a normal variable over its standard deviation.
_MAD = 0.6745


@dataclass(frozen=True)
class Terms:
    """Weights of the loss.

    Attributes:
        tv_weight: tau.
        tv_norm: "l1" or "l2".
        tv_smoothing: e of l1, in units of 0.05 ppm.
        gradient_weight: gamma.
        phase_per_ppm: radians per ppm where the residual is taken between complex exponentials, or None.
    """

    tv_weight: float
    tv_norm: str
    tv_smoothing: float
    gradient_weight: float
    phase_per_ppm: float | None = None


@dataclass(frozen=True, eq=False)
class Colour:
    """The error and the tissue by frequency, for patches of one size.

    Attributes:
        weights: (x, y, z) of the volume, w; zero outside the mask.
        data: Q, dimensionless.
        prior: P, dimensionless.
    """

    weights: torch.Tensor
    data: FourierFilter
    prior: FourierFilter


class FieldLoss:
    """The loss of a scan, patch by patch.

    Args:
        scan: field and mask of the volume.
        terms: the weights.
        edges: (3, x, y, z) WG, zero where a difference leaves the mask.
        held_out: share of the mask's voxels kept out of the data terms.
        seed: which ones.
        block: edge of the cubes in which they lie, mm; 0 for single voxels.
        colour: spectra; by default the error is white, of the scan's noise map where it has one.
    """

    def __init__(  # noqa: PLR0917
        self,
        scan: Scan,
        terms: Terms,
        edges: torch.Tensor,
        held_out: float,
        seed: int,
        block: float = 0.0,
        colour: Colour | None = None,
    ) -> None:
        self.terms, self.edges, self.colour = terms, edges, colour
        self.steps = step_lengths(scan.grid.voxel_size)
        self.field = scan.local_field / UNIT
        if colour is None:
            weights = data_weights(_usable_noise(scan), scan.mask).square_()
            self.weights = weights * (float(scan.mask.sum()) / float(weights.double().sum()))
        else:
            self.weights = colour.weights
        self.held_out = _held_out(scan, held_out, block, seed).to(scan.device)
        self.shown = scan.mask & ~self.held_out

    def __call__(
        self, chi: torch.Tensor, field: torch.Tensor, box: Box, outside: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Loss of a patch, and its residual in units of 0.05 ppm.

        Args:
            chi: (x, y, z) of the patch, zero outside the mask, units of 0.05 ppm.
            field: D_p chi, the same units.
            box: where the patch is.
            outside: field that the rest of the volume makes in the patch, the same units; None for none.
        """
        target = self.field[box] if outside is None else self.field[box] - outside
        residual = field - target
        if self.terms.phase_per_ppm is not None:
            scale = self.terms.phase_per_ppm * UNIT
            residual = torch.sin(residual * (scale / 2)) * (2 / scale)
        shown = self.shown[box]
        n_shown = shown.sum().clamp(min=1)
        if self.colour is None:
            loss = (residual.square() * self.weights[box] * shown).sum() / n_shown
        else:
            weighted = residual * (self.weights[box] * shown).sqrt()
            from qsmbench.physics.self_adjoint import quadratic

            loss = (quadratic(weighted, self.colour.data) + quadratic(chi, self.colour.prior)) / n_shown
        if self.terms.tv_weight:
            loss = loss + self.terms.tv_weight * self._variation(chi, box) / n_shown
        if self.terms.gradient_weight:
            loss = loss + self.terms.gradient_weight * self._gradient(residual, shown) / n_shown
        return loss, residual.detach()

    def _variation(self, chi: torch.Tensor, box: Box) -> torch.Tensor:
        e = self.terms.tv_smoothing
        total = chi.new_zeros(())
        for axis, length in enumerate(self.steps):
            g = torch.diff(chi, dim=axis) / length
            weight = self.edges[axis][box].narrow(axis, 0, g.shape[axis])
            size = g.square() if self.terms.tv_norm == "l2" else (g.square() + e**2).sqrt() - e
            total = total + (size * weight).sum()
        return total

    def _gradient(self, residual: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
        total = residual.new_zeros(())
        for axis, length in enumerate(self.steps):
            n = shown.shape[axis] - 1
            both = shown.narrow(axis, 0, n) & shown.narrow(axis, 1, n)
            total = total + ((torch.diff(residual, dim=axis) / length).square() * both).sum()
        return total


def _held_out(scan: Scan, share: float, block: float, seed: int) -> torch.Tensor:
    """(x, y, z) bool: a share of the mask's voxels, single ones or those of whole blocks."""
    mask = scan.mask.cpu().numpy()
    rng = generator_for(seed, "held-out voxels")
    if block > 0:
        sizes = [max(1, round(block / h)) for h in scan.grid.voxel_size]
        counts = [-(-n // size) for n, size in zip(mask.shape, sizes, strict=True)]
        places = [np.arange(n) // size for n, size in zip(mask.shape, sizes, strict=True)]
        chosen = (rng.random(counts) < share)[np.ix_(*places)] & mask
        return torch.from_numpy(chosen)
    chosen = np.zeros(mask.size, bool)
    inside = np.flatnonzero(mask)
    chosen[np.sort(inside[rng.permutation(len(inside))[: int(share * len(inside))]])] = True
    return torch.from_numpy(chosen.reshape(mask.shape))


def step_lengths(voxel_size: Triple) -> Triple:
    """Voxel edges over the smallest."""
    smallest = min(voxel_size)
    x, y, z = (h / smallest for h in voxel_size)
    return (x, y, z)


def edge_weights(
    chi: torch.Tensor, mask: torch.Tensor, voxel_size: Triple, percents: tuple[float, float], floor: float
) -> torch.Tensor:
    """WG (3, x, y, z): 1 where ``chi`` (x, y, z) is flat, ``floor`` at edges, 0 where a difference leaves the mask.

    Args:
        chi: initial map, any unit.
        mask: (x, y, z) bool.
        voxel_size: mm.
        percents: of |g| per mm, pooled over the axes, between which the weight falls; 100 and 100 for no edges.
        floor: least weight inside the mask.
    """
    weight = torch.zeros((3, *chi.shape), device=chi.device)
    inside = torch.zeros((3, *chi.shape), dtype=torch.bool, device=chi.device)
    for axis, h in enumerate(voxel_size):
        n = chi.shape[axis] - 1
        weight[axis].narrow(axis, 0, n).copy_(torch.diff(chi, dim=axis).abs_().div_(h))
        inside[axis].narrow(axis, 0, n).copy_(mask.narrow(axis, 0, n) & mask.narrow(axis, 1, n))
    if not inside.any():
        return weight.zero_()
    low, high = percentiles(weight[inside], percents)
    ramp = (high - weight) / (high - low) if high > low else (weight <= low).to(weight.dtype)
    return ramp.clamp_(floor, 1).mul_(inside)


def noise_level(scan: Scan) -> float:
    """Standard deviation of the field's noise, ppm: of the noise map where there is one, else estimated from the field.

    The estimate is Donoho's (1994, doi 10.1093/biomet/81.3.425): the median of the finest Haar details along all three
    axes at once, in which little of a field's own structure is left.
    """
    noise = _usable_noise(scan)
    if noise is not None:
        return float(noise[scan.mask].double().square().mean().sqrt())
    details, inside = scan.local_field, scan.mask
    for axis in range(3):
        n = details.shape[axis] - details.shape[axis] % 2
        even, odd = (slice(start, n, 2) for start in (0, 1))
        index = [slice(None)] * 3
        pick = [(*index[:axis], s, *index[axis + 1 :]) for s in (even, odd)]
        details = (details[pick[0]] - details[pick[1]]) / 2**0.5
        inside = inside[pick[0]] & inside[pick[1]]
    known = details[inside]
    return float(known.abs().median()) / _MAD if known.numel() else 0.0


def _usable_noise(scan: Scan) -> torch.Tensor | None:
    """The noise map, or None where there is none or it is zero everywhere."""
    noise = scan.field_noise
    return noise if noise is not None and bool((noise[scan.mask] > 0).any()) else None
