"""The error of a local field as scanners measure it, in torch: the steps of `qsmbench.simulation.error_model`.

    field' = gain field + coloured + rim + strong sources

Each error is white noise through an amplitude that falls as k^-1.3. That of the rim falls with depth under the mask's
rim, that of sources grows with |chi|. Depth is told by the blurred mask, 2 (1 - G mask), which falls from 1 at a flat
rim to a third one standard deviation below it. Anisotropy, the harmonic background and noise that follows the
magnitude are left to the wider ranges of these (recipe.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import torch

from qsmbench.core.grid import Shape, Triple
from qsmbench.physics.fourier import irfftn, rfftn

_EXPONENT = 1.3
_LEVEL = 0.02
_SOURCE_BLUR = 1.0
_SOURCE_SCALE = 0.1
_EROSION_BLUR = 3.0


@dataclass(frozen=True)
class Amounts:
    """Standard deviations in ppm: everywhere, at the rim (falling over ``depth`` mm), in the strongest sources."""

    coloured: float
    rim: float
    depth: float
    sources: float


def measured_error(
    mask: torch.Tensor, chi: torch.Tensor, voxel_size: Triple, amounts: Amounts, generator: torch.Generator
) -> torch.Tensor:
    """Return the error (x, y, z) in ppm.

    Args:
        mask: (x, y, z), 0 or 1.
        chi: ppm, whose strong sources raise the error around them.
        voxel_size: mm.
        amounts: of each part.
        generator: of random numbers, on the mask's device.
    """
    shape = _shape(mask)
    k2 = _k2(shape, voxel_size, mask.device)
    amplitude = (k2 + _LEVEL**2) ** (-_EXPONENT / 2)
    amplitude[0, 0, 0] = 0.0
    weight = torch.full((amplitude.shape[2],), 2.0, device=mask.device)
    weight[0] = 1.0
    if shape[2] % 2 == 0:
        weight[-1] = 1.0
    amplitude /= ((amplitude**2 * weight).sum() / mask.numel()).sqrt()
    near_rim = 2 * (1 - _filtered(mask, _blur(k2, amounts.depth))).clamp(0, 0.5)
    size = torch.maximum(chi.abs(), _filtered(chi.abs(), _blur(k2, _SOURCE_BLUR)))
    near_source = -torch.expm1(-size / _SOURCE_SCALE)
    total = torch.zeros_like(chi)
    for strength in (amounts.coloured, amounts.rim * near_rim, amounts.sources * near_source):
        white = torch.randn(shape, generator=generator, device=mask.device)
        total += strength * _filtered(white, amplitude)
    return total


def eroded(mask: torch.Tensor, voxel_size: Triple, depth: float) -> torch.Tensor:
    """Return the mask (x, y, z), bool, without about ``depth`` mm of its rim; corners lose more."""
    if depth <= 0:
        return mask
    soft = _filtered(mask.float(), _blur(_k2(_shape(mask), voxel_size, mask.device), _EROSION_BLUR))
    return mask & (soft > NormalDist().cdf(depth / _EROSION_BLUR))


def _shape(volume: torch.Tensor) -> Shape:
    return (volume.shape[0], volume.shape[1], volume.shape[2])


def _k2(shape: Shape, voxel_size: Triple, device: torch.device) -> torch.Tensor:
    kx, ky = (torch.fft.fftfreq(n, d=v, device=device) ** 2 for n, v in zip(shape[:2], voxel_size[:2], strict=True))
    k2: torch.Tensor = (
        kx[:, None, None] + ky[:, None] + torch.fft.rfftfreq(shape[2], d=voxel_size[2], device=device) ** 2
    )
    return k2


def _blur(k2: torch.Tensor, sigma: float) -> torch.Tensor:
    return torch.exp(-2 * (torch.pi * sigma) ** 2 * k2)


def _filtered(x: torch.Tensor, multiplier: torch.Tensor) -> torch.Tensor:
    spectrum = rfftn(x, _shape(x))
    torch.view_as_real(spectrum).mul_(multiplier[..., None])
    return irfftn(spectrum, _shape(x), x.shape)
