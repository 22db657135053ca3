"""A 3-D U-Net (Cicek 2016, doi 10.1007/978-3-319-46723-8_49) of any kind of convolution.

Two convolutions a level, each followed by batch normalisation and ReLU, max pooling down, skip connections by
concatenation, a 1x1x1 convolution at the end. Meta-QSM and its twins interpolate on the way up, QSMnet and DeepQSM
learn transposed convolutions.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

# (input channels, output channels, kernel edge) -> a layer called with (x, condition)
Convolution = Callable[[int, int, int], nn.Module]


class _Block(nn.Module):
    def __init__(self, convolution: Convolution, n_in: int, n_out: int, size: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList([convolution(n_in, n_out, size), convolution(n_out, n_out, size)])
        self.norms = nn.ModuleList([nn.BatchNorm3d(n_out), nn.BatchNorm3d(n_out)])

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = functional.relu(norm(convolution(x, condition)))
        return x


class _Transposed(nn.Module):
    """Twice the size and half the channels by a learned 2x2x2 kernel, batch normalisation, ReLU."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.convolution = nn.ConvTranspose3d(n_in, n_out, 2, stride=2)
        self.norm = nn.BatchNorm3d(n_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = functional.relu(self.norm(self.convolution(x)))
        return y


class UNet(nn.Module):
    """Local field and condition in, susceptibility out; both volumes scaled to unit standard deviation.

    With first maps of chi as further input channels the network gives what their mean lacks, and returns the sum.

    Args:
        convolution: makes a layer.
        channels: feature maps of the first level, doubled at each further one.
        levels: resolution levels.
        size: kernel edge.
        transposed: learn the way up instead of interpolating trilinearly.
        corrects: first maps to correct.
    """

    def __init__(
        self,
        convolution: Convolution,
        channels: int,
        levels: int,
        size: int = 3,
        *,
        transposed: bool = False,
        corrects: int = 0,
    ) -> None:
        super().__init__()
        self.corrects = corrects
        n_in = 1 + corrects
        widths = [channels * 2**level for level in range(levels)]
        self.down = nn.ModuleList(
            [_Block(convolution, n, m, size) for n, m in zip([n_in, *widths[:-1]], widths, strict=True)]
        )
        rising = list(reversed(range(levels - 1)))
        self.rise = nn.ModuleList([_Transposed(widths[i + 1], widths[i]) for i in rising] if transposed else [])
        below = [widths[i] if transposed else widths[i + 1] for i in rising]
        self.up = nn.ModuleList(
            [_Block(convolution, widths[i] + n, widths[i], size) for i, n in zip(rising, below, strict=True)]
        )
        self.last = convolution(channels, 1, 1)

    @property
    def multiple(self) -> int:
        """Volumes are padded to multiples of this many voxels."""
        return int(2 ** (len(self.down) - 1))

    def forward(self, inputs: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Map the field, and the first maps where there are any, (B, 1 + maps, X, Y, Z) to chi (B, 1, X, Y, Z).

        Args:
            inputs: channels as made by `qsmbench.methods.network_input`.
            condition: (B, n), what kernels are predicted from.
        """
        shape = inputs.shape[2:]
        extra = [-n % self.multiple for n in shape]
        x = functional.pad(inputs, (0, extra[2], 0, extra[1], 0, extra[0]))
        skips: list[torch.Tensor] = []
        for level, block in enumerate(self.down):
            if level:
                x = functional.max_pool3d(x, 2)
            x = block(x, condition)
            skips.append(x)
        skips.pop()
        for number, block in enumerate(self.up):
            skip = skips.pop()
            if len(self.rise):
                x = self.rise[number](x)
            else:
                x = functional.interpolate(x, size=skip.shape[2:], mode="trilinear", align_corners=False)
            x = block(torch.cat([skip, x], dim=1), condition)
        y: torch.Tensor = self.last(x, condition)[..., : shape[0], : shape[1], : shape[2]]
        return y + inputs[:, 1:].mean(dim=1, keepdim=True) if self.corrects else y
