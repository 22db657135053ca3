"""The networks by name: what each is made of, what it is told beside the field, and how its authors trained it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch

from qsmbench.core.errors import InputError
from qsmbench.networks.scaling import Scaling
from qsmbench.networks.unet import UNet
from qsmbench.networks.wpconv import Head, PlainConv3d, WPConv3d

Condition = Literal["none", "voxel size", "voxel size and B0 direction"]
_LENGTH: dict[Condition, int] = {"none": 0, "voxel size": 3, "voxel size and B0 direction": 9}


@dataclass(frozen=True)
class Architecture:
    """A kind of network.

    Attributes:
        name: as in the configuration and on the command line.
        source: paper with its DOI, and what we do differently.
        condition: what its weights are predicted from. A network without voxel size knows one resolution; one without
            B0 direction knows B0 along z.
        size: kernel edge.
        transposed: whether the way up is learned.
        loss: of its authors (`qsmbench.training.losses`).
        predicted: whether the kernels are predicted (WP-Conv), so that `hidden` and `head` apply.
    """

    name: str
    source: str
    condition: Condition
    size: int = 3
    transposed: bool = False
    loss: Literal["l1", "l2", "qsmnet"] = "l1"

    @property
    def predicted(self) -> bool:
        """Whether kernels are predicted from the condition."""
        return self.condition != "none"

    @property
    def knows_b0_dir(self) -> bool:
        """Whether the direction of B0 is an input."""
        return self.condition == "voxel size and B0 direction"

    def module(
        self,
        *,
        channels: int,
        levels: int,
        hidden: list[int] | None = None,
        head: Head = "full",
        first_map: str | None = None,
        first_map_regularization: list[float] | None = None,
    ) -> UNet:
        """Return the network with fresh weights.

        Args:
            channels: feature maps of the first level.
            levels: resolution levels.
            hidden: widths of the weight-prediction layers.
            head: how kernels are predicted.
            first_map: which method's map it corrects (`qsmbench.methods.network_input`), if any.
            first_map_regularization: of each of several such maps; by default one.

        Raises:
            InputError: an unknown head.
        """
        if head not in ("full", "modulated"):
            raise InputError(f"network {self.name}: head must be full or modulated, got '{head}'")
        if self.predicted:
            convolution: Any = partial(
                WPConv3d, hidden=hidden or (32, 8), n_condition=_LENGTH[self.condition], head=head
            )
        else:
            convolution = PlainConv3d
        corrects = 0 if first_map is None else len(first_map_regularization or (None,))
        return UNet(convolution, channels, levels, self.size, transposed=self.transposed, corrects=corrects)

    def conditions(self, scaling: Scaling, voxel_size: torch.Tensor, b0_dir: torch.Tensor) -> torch.Tensor:
        """Return the conditions (B, n), n = 0, 3 or 9, of voxel sizes (B, 3) in mm and B0 directions (B, 3).

        B0 enters through the six products of its components: the dipole does not know its sign.
        """
        if not self.predicted:
            return torch.zeros(len(voxel_size), 0, device=voxel_size.device)
        sizes = scaling.voxel_size(voxel_size)
        if not self.knows_b0_dir:
            return sizes
        b = b0_dir.to(sizes)
        products = torch.cat([b * b, b * b.roll(-1, dims=1)], dim=1)
        return torch.cat([sizes, products], dim=1)


ARCHITECTURES: dict[str, Architecture] = {
    a.name: a
    for a in (
        Architecture("meta-qsm", "Liu & Koch 2019, doi 10.48550/arXiv.1908.00206", "voxel size"),
        Architecture(
            "meta-qsm-b0",
            "an extension of Meta-QSM (Liu & Koch 2019, doi 10.48550/arXiv.1908.00206): B0's direction is an input too",
            "voxel size and B0 direction",
        ),
        Architecture("mesa-qsm", "Liu & Koch 2019, doi 10.48550/arXiv.1908.00206: the fixed-resolution twin", "none"),
        Architecture(
            "qsmnet",
            "Yoon 2018, doi 10.1016/j.neuroimage.2018.06.030: channels 32, 5 levels",
            "none",
            size=5,
            transposed=True,
            loss="qsmnet",
        ),
        Architecture(
            "deepqsm",
            "Bollmann 2019, doi 10.1016/j.neuroimage.2019.03.060; batch normalisation as in the other networks here",
            "none",
            transposed=True,
            loss="l2",
        ),
    )
}


def architecture(name: str) -> Architecture:
    """Return an architecture by name.

    Raises:
        InputError: an unknown name, with the nearest known one.
    """
    if name not in ARCHITECTURES:
        close = difflib.get_close_matches(name, ARCHITECTURES, n=1)
        hint = f" (did you mean '{close[0]}'?)" if close else ""
        raise InputError(f"unknown architecture '{name}'{hint}; known: {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]
