"""What every architecture is: a section of the configuration, its settings, that makes a network and knows its costs.

An architecture is a class derived from `Architecture`, whose fields are its settings. Its network is a torch module
that is called with channels (B, 1 + maps, X, Y, Z), of any shape, and a condition (B, n), and returns chi
(B, 1, X, Y, Z); field and chi are scaled to unit standard deviation (`qsmbench.networks.scaling`). Nothing here imports
torch: plans and configurations need settings and costs alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from qsmbench.core.section import Section

if TYPE_CHECKING:
    import torch
    from torch import nn

    from qsmbench.networks.scaling import Scaling

Loss = Literal["l1", "l2", "qsmnet"]


class Architecture(Section, ABC):
    """A kind of network with its settings.

    Attributes:
        source: paper with its DOI, and what we do differently.
        own_loss: of its authors (`qsmbench.training.losses`).
        knows_voxel_size: whether it is told the voxel size; a network that is not knows one resolution.
        knows_b0_dir: whether it is told B0's direction; a network that is not knows B0 along z.
        multiple: voxels along each axis of a window are a multiple of this.
    """

    source: ClassVar[str]
    own_loss: ClassVar[Loss] = "l1"
    knows_voxel_size: ClassVar[bool] = False
    knows_b0_dir: ClassVar[bool] = False

    @abstractmethod
    def module(self, corrects: int = 0) -> nn.Module:
        """Return the network with fresh weights.

        Args:
            corrects: first maps of chi that come as further channels, whose mean the network corrects.
        """

    @property
    @abstractmethod
    def flops(self) -> float:
        """Floating-point operations of one pass, by voxel."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Feature maps at full resolution, with which memory grows."""

    @property
    def multiple(self) -> int:
        """Voxels along each axis of a window are a multiple of this."""
        return 1

    @property
    def n_condition(self) -> int:
        """Length of the condition: 0, 3 (voxel size) or 9 (and B0's direction)."""
        return 3 * self.knows_voxel_size + 6 * self.knows_b0_dir

    def conditions(self, scaling: Scaling, voxel_size: torch.Tensor, b0_dir: torch.Tensor) -> torch.Tensor:
        """Return the conditions (B, n) of voxel sizes (B, 3) in mm and B0 directions (B, 3).

        B0 enters through the six products of its components: the dipole does not know its sign.
        """
        import torch

        parts = [torch.zeros(len(voxel_size), 0, device=voxel_size.device)]
        if self.knows_voxel_size:
            parts.append(scaling.voxel_size(voxel_size))
        if self.knows_b0_dir:
            b = b0_dir.to(voxel_size.device, torch.float32)
            parts += [b * b, b * b.roll(-1, dims=1)]
        return torch.cat(parts, dim=1)
