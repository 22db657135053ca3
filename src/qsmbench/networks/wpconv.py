"""WP-Conv: a convolution whose kernel is predicted from the voxel size, so that one network serves any resolution.

A small fully connected network maps the normalised voxel size to kernel and bias of a layer (Liu & Koch 2019,
Meta-QSM). The width of its last hidden layer is the rank of the family of kernels the layer can express.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional


class WPConv3d(nn.Module):
    """A 3-D convolution with weights predicted from the voxel size.

    Args:
        n_in: input channels.
        n_out: output channels.
        size: kernel edge, odd; "same" zero padding.
        hidden: widths of the hidden layers of the predictor.
    """

    def __init__(self, n_in: int, n_out: int, size: int = 3, hidden: Sequence[int] = (32, 8)) -> None:
        super().__init__()
        self.n_in, self.n_out, self.size = n_in, n_out, size
        layers: list[nn.Module] = []
        width = 3
        for n in hidden:
            layers += [nn.Linear(width, n), nn.Tanh()]
            width = n
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(width, n_out * n_in * size**3 + n_out)
        # At the start the layer is a plain He-initialised convolution (the head's bias), on which the voxel size
        # acts as a perturbation of comparable size; a head initialised as a linear layer would start far off scale.
        std = math.sqrt(2.0 / (n_in * size**3))
        with torch.no_grad():
            self.head.bias.normal_(0.0, std)
            self.head.bias[-n_out:] = 0.0
            self.head.weight.normal_(0.0, 0.3 * std / math.sqrt(width))
            self.head.weight[-n_out:] = 0.0

    def forward(self, x: torch.Tensor, voxel_size: torch.Tensor) -> torch.Tensor:
        """Convolve ``x`` (B, n_in, X, Y, Z), each sample with the kernel of its normalised ``voxel_size`` (B, 3)."""
        n_batch = x.shape[0]
        predicted = self.head(self.features(voxel_size))
        kernel, bias = predicted[:, : -self.n_out], predicted[:, -self.n_out :]
        size = self.size
        # One grouped convolution serves samples of different voxel sizes at the price of a plain one.
        y = functional.conv3d(
            x.reshape(1, n_batch * self.n_in, *x.shape[2:]),
            kernel.reshape(n_batch * self.n_out, self.n_in, size, size, size),
            bias.reshape(-1),
            padding=size // 2,
            groups=n_batch,
        )
        return y.reshape(n_batch, self.n_out, *x.shape[2:])
