"""An untrained 3D U-Net that draws a volume from fixed noise: its shape is the prior.

Ulyanov 2018, doi 10.1109/CVPR.2018.00984, in three dimensions and small: per level two 3 x 3 x 3 convolutions, each
with instance normalisation and leaky ReLU, stride 2 down, trilinear up, skips by concatenation.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class DeepPrior(nn.Module):
    """Noise (1, channels, x, y, z) -> volume (x, y, z).

    Args:
        channels: feature maps of the first level, doubled at each further one; also of the input.
        levels: resolutions, 1 for none but the image's own.
    """

    def __init__(self, channels: int = 8, levels: int = 3) -> None:
        super().__init__()
        widths = [channels * 2**level for level in range(levels)]
        self.down = nn.ModuleList(
            _block(channels if level == 0 else widths[level - 1], width, stride=1 if level == 0 else 2)
            for level, width in enumerate(widths)
        )
        self.up = nn.ModuleList(
            _block(widths[level] + widths[level + 1], widths[level]) for level in reversed(range(levels - 1))
        )
        self.last = nn.Conv3d(channels, 1, 1)
        # From zero: the first map is flat, as with every other method that starts without one.
        with torch.no_grad():
            for p in self.last.parameters():
                p.zero_()

    def forward(self, noise: torch.Tensor) -> torch.Tensor:
        """Draw the volume."""
        x, skips = noise, []
        for block in self.down:
            x = block(x)
            skips.append(x)
        skips.pop()
        for block in self.up:
            skip = skips.pop()
            x = block(torch.cat([skip, _enlarged(x, skip.shape[2:])], dim=1))
        y: torch.Tensor = self.last(x)
        return y[0, 0]


def _enlarged(x: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Trilinear enlargement by matrices: torch's own has no deterministic gradient on a GPU."""
    for axis, n in enumerate(shape):
        m = x.shape[axis + 2]
        position = ((torch.arange(n, device=x.device) + 0.5) * (m / n) - 0.5).clamp(0, m - 1)
        weights = (1 - (position[:, None] - torch.arange(m, device=x.device)).abs()).clamp_(min=0).to(x.dtype)
        x = torch.tensordot(x, weights, dims=([axis + 2], [1])).movedim(-1, axis + 2)
    return x


def _block(n_in: int, n_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(n_in, n_out, 3, stride=stride, padding=1),
        _Normalised(),
        nn.Conv3d(n_out, n_out, 3, padding=1),
        _Normalised(),
    )


class _Normalised(nn.Module):
    """Instance normalisation without parameters (one image has one mean and variance), then leaky ReLU."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean(dim=(2, 3, 4), keepdim=True)
        variance = x.var(dim=(2, 3, 4), keepdim=True, correction=0)
        return functional.leaky_relu((x - mean) * torch.rsqrt(variance + 1e-5), 0.1)
