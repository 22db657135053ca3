"""WP-Conv: a convolution whose kernel is predicted from the voxel size, so that one network serves any resolution.

A small fully connected network maps the normalised voxel size (or any condition) to a layer's kernel and bias (Liu &
Koch 2019, Meta-QSM, doi 10.48550/arXiv.1908.00206). Two heads turn its last hidden layer h, of width r, into a kernel:

- full, the paper's: K = K_0 + sum_r h_r K_r, a family of rank r that costs r + 1 times a plain layer's parameters;
- modulated: K[o, i, t] = K_0[o, i, t] (1 + sum_r h_r M_r[o, t]), each output channel's taps scaled alike for all its
  inputs. It costs 1 + r / n_in times a plain layer, so that a network of the same file size is wider.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

Head = Literal["full", "modulated"]


class PlainConv3d(nn.Conv3d):
    """A convolution with "same" zero padding that pays no heed to the condition; He-initialised.

    Args:
        n_in: input channels.
        n_out: output channels.
        size: kernel edge, odd.
    """

    def __init__(self, n_in: int, n_out: int, size: int = 3) -> None:
        super().__init__(n_in, n_out, size, padding=size // 2)
        nn.init.normal_(self.weight, 0.0, math.sqrt(2.0 / (n_in * size**3)))
        assert self.bias is not None
        nn.init.zeros_(self.bias)

    def forward(self, x: torch.Tensor, condition: torch.Tensor | None = None) -> torch.Tensor:
        """Convolve ``x`` (B, n_in, X, Y, Z)."""
        return super().forward(x)


class WPConv3d(nn.Module):
    """A 3-D convolution with weights predicted from a condition.

    Args:
        n_in: input channels.
        n_out: output channels.
        size: kernel edge, odd; "same" zero padding.
        hidden: widths of the hidden layers of the predictor; the last is the rank of the family of kernels.
        n_condition: length of the condition.
        head: how the last hidden layer becomes a kernel.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        size: int = 3,
        *,
        hidden: Sequence[int] = (32, 8),
        n_condition: int = 3,
        head: Head = "full",
    ) -> None:
        super().__init__()
        self.n_in, self.n_out, self.size = n_in, n_out, size
        layers: list[nn.Module] = []
        width = n_condition
        for n in hidden:
            layers += [nn.Linear(width, n), nn.Tanh()]
            width = n
        self.features = nn.Sequential(*layers)
        # At the start the layer is a plain He-initialised convolution (the head's bias), on which the voxel size
        # acts as a perturbation of comparable size; a head initialised as a linear layer would start far off scale.
        std = math.sqrt(2.0 / (n_in * size**3))
        self.base: nn.Parameter | None = None
        if head == "full":
            self.head = nn.Linear(width, n_out * n_in * size**3 + n_out)
            with torch.no_grad():
                self.head.bias.normal_(0.0, std)
                self.head.bias[-n_out:] = 0.0
                self.head.weight.normal_(0.0, 0.3 * std / math.sqrt(width))
                self.head.weight[-n_out:] = 0.0
        else:
            self.base = nn.Parameter(torch.randn(n_out, n_in, size**3) * std)
            self.head = nn.Linear(width, n_out * size**3 + n_out)
            with torch.no_grad():
                self.head.bias.zero_()
                self.head.weight.normal_(0.0, 0.3 / math.sqrt(width))
                self.head.weight[-n_out:] = 0.0

    def kernels(self, condition: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Kernels (B, n_out, n_in, s, s, s) and biases (B, n_out) of conditions (B, n_condition)."""
        predicted = self.head(self.features(condition))
        kernel, bias = predicted[:, : -self.n_out], predicted[:, -self.n_out :]
        if self.base is not None:
            kernel = self.base * (1 + kernel.reshape(-1, self.n_out, 1, self.size**3))
        return kernel.reshape(-1, self.n_out, self.n_in, self.size, self.size, self.size), bias

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Convolve ``x`` (B, n_in, X, Y, Z) with the kernels of its conditions (B, n), or of one for all (1, n)."""
        n_batch = x.shape[0]
        kernel, bias = self.kernels(condition)
        if len(condition) == 1:
            y: torch.Tensor = functional.conv3d(x, kernel[0], bias[0], padding=self.size // 2)
            return y
        # One grouped convolution serves samples of different voxel sizes at the price of a plain one.
        y = functional.conv3d(
            x.reshape(1, n_batch * self.n_in, *x.shape[2:]),
            kernel.reshape(n_batch * self.n_out, self.n_in, *kernel.shape[3:]),
            bias.reshape(-1),
            padding=self.size // 2,
            groups=n_batch,
        )
        return y.reshape(n_batch, self.n_out, *x.shape[2:])

    def plain(self, condition: torch.Tensor) -> PlainConv3d:
        """Return the convolution that this layer is at one ``condition`` (1, n_condition)."""
        layer = PlainConv3d(self.n_in, self.n_out, self.size)
        with torch.no_grad():
            kernel, bias = self.kernels(condition)
            assert layer.bias is not None
            layer.weight.copy_(kernel[0])
            layer.bias.copy_(bias[0])
        return layer

    @property
    def predictor(self) -> list[nn.Linear]:
        """The fully connected layers."""
        return [layer for layer in (*self.features, self.head) if isinstance(layer, nn.Linear)]


def wpconv_layers(module: nn.Module) -> list[WPConv3d]:
    """All WP-Conv layers of a network."""
    return [layer for layer in module.modules() if isinstance(layer, WPConv3d)]


def kernel_penalty(module: nn.Module) -> torch.Tensor | float:
    """Mean of the squared weights of all weight-prediction layers; 0 where there are none.

    The paper's L2 of 0.01 names no reduction; a sum would outweigh the L1 loss at first, a mean keeps its size
    independent of the number of parameters.
    """
    weights = [linear.weight for layer in wpconv_layers(module) for linear in layer.predictor]
    if not weights:
        return 0.0
    return torch.stack([(w**2).sum() for w in weights]).sum() / sum(w.numel() for w in weights)


def specialise(module: nn.Module, condition: torch.Tensor) -> None:
    """Replace, in place, each WP-Conv layer by the convolution that it is at one ``condition`` (1, n_condition).

    A scan then costs what a plain network costs, whatever the size of the predictors.
    """
    for name, child in module.named_children():
        if isinstance(child, WPConv3d):
            setattr(module, name, child.plain(condition).to(condition.device))
        else:
            specialise(child, condition)
