"""Meta-QSM: a 3-D U-Net (Cicek 2016, doi 10.1007/978-3-319-46723-8_49) made of WP-Conv layers (Liu & Koch 2019).

Two convolutions a level with batch normalisation and ReLU, max pooling down, trilinear interpolation up, skip
connections by concatenation, a 1x1x1 convolution at the end.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from qsmbench.networks.wpconv import WPConv3d


class _Block(nn.Module):
    def __init__(self, n_in: int, n_out: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList([WPConv3d(n_in, n_out, 3, hidden), WPConv3d(n_out, n_out, 3, hidden)])
        self.norms = nn.ModuleList([nn.BatchNorm3d(n_out), nn.BatchNorm3d(n_out)])

    def forward(self, x: torch.Tensor, voxel_size: torch.Tensor) -> torch.Tensor:
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = functional.relu(norm(convolution(x, voxel_size)))
        return x


class MetaQSM(nn.Module):
    """Local field and voxel size in, susceptibility out; both volumes scaled to unit standard deviation.

    Args:
        channels: feature maps of the first level, doubled at each further one.
        levels: resolution levels.
        hidden: widths of each layer's weight predictor.
    """

    def __init__(self, channels: int = 16, levels: int = 4, hidden: Sequence[int] = (32, 8)) -> None:
        super().__init__()
        widths = [channels * 2**level for level in range(levels)]
        self.down = nn.ModuleList([_Block(n, m, hidden) for n, m in zip([1, *widths[:-1]], widths, strict=True)])
        self.up = nn.ModuleList(
            [_Block(widths[i] + widths[i + 1], widths[i], hidden) for i in reversed(range(levels - 1))]
        )
        self.last = WPConv3d(channels, 1, 1, hidden)

    @property
    def multiple(self) -> int:
        """Volumes are padded to multiples of this many voxels."""
        return int(2 ** (len(self.down) - 1))

    def forward(self, field: torch.Tensor, voxel_size: torch.Tensor) -> torch.Tensor:
        """Map ``field`` (B, 1, X, Y, Z) at normalised ``voxel_size`` (B, 3) to chi of the same shape."""
        shape = field.shape[2:]
        extra = [-n % self.multiple for n in shape]
        x = functional.pad(field, (0, extra[2], 0, extra[1], 0, extra[0]))
        skips: list[torch.Tensor] = []
        for level, block in enumerate(self.down):
            if level:
                x = functional.max_pool3d(x, 2)
            x = block(x, voxel_size)
            skips.append(x)
        skips.pop()
        for block in self.up:
            skip = skips.pop()
            x = functional.interpolate(x, size=skip.shape[2:], mode="trilinear", align_corners=False)
            x = block(torch.cat([skip, x], dim=1), voxel_size)
        y: torch.Tensor = self.last(x, voxel_size)
        return y[..., : shape[0], : shape[1], : shape[2]]

    def kernel_penalty(self) -> torch.Tensor:
        """Mean of the squared weights of all weight-prediction layers, weighted by nothing.

        The paper's L2 of 0.01 names no reduction; a sum would outweigh the L1 loss at first, a mean keeps its size
        independent of the number of parameters.
        """
        weights = [
            layer.weight
            for module in self.modules()
            if isinstance(module, WPConv3d)
            for layer in (*module.features, module.head)
            if isinstance(layer, nn.Linear)
        ]
        total = torch.stack([(w**2).sum() for w in weights]).sum()
        return total / sum(w.numel() for w in weights)
