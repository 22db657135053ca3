"""The U-Nets: what each is made of, what it is told beside the field, and how its authors trained it.

Kernels are plain, or predicted from the voxel size (WP-Conv, `qsmbench.networks.wpconv`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from qsmbench.networks.contract import Architecture, Loss

if TYPE_CHECKING:
    from qsmbench.networks.unet import UNet


class PlainUNet(Architecture):
    """A U-Net of plain convolutions."""

    # Kernel edge, and whether the way up is learned.
    size: ClassVar[int] = 3
    transposed: ClassVar[bool] = False

    channels: int = Field(16, gt=0, description="feature maps of the first level; doubled at each further level")
    levels: int = Field(4, gt=0, le=6, description="resolution levels of the encoder-decoder")

    def module(self, corrects: int = 0) -> UNet:
        """Return the network with fresh weights; see `Architecture.module`."""
        from qsmbench.networks.unet import UNet

        return UNet(
            self._convolution(), self.channels, self.levels, self.size, transposed=self.transposed, corrects=corrects
        )

    def _convolution(self) -> Any:
        from qsmbench.networks.wpconv import PlainConv3d

        return PlainConv3d

    @property
    def flops(self) -> float:
        """Operations by voxel: a product and a sum for each weight of a convolution.

        Two convolutions a level on the way down and two on the way up, channels doubled and voxels an eighth at each
        level.
        """
        widths = [self.channels * 2**level for level in range(self.levels)]
        total = 0.0
        for level, width in enumerate(widths):
            weights = (widths[level - 1] if level else 1) * width + width**2
            taps = self.size**3
            if level < self.levels - 1:
                below = widths[level + 1]
                weights += (width + (width if self.transposed else below)) * width + width**2
                # A transposed convolution of stride 2 reads each voxel of the level below once.
                total += below * width / 8**level if self.transposed else 0.0
            total += taps * weights / 8**level
        return 2 * total

    @property
    def width(self) -> int:
        """Feature maps at full resolution."""
        return self.channels

    @property
    def multiple(self) -> int:
        """Each level halves the edges."""
        return int(2 ** (self.levels - 1))


class PredictedUNet(PlainUNet):
    """A U-Net whose kernels are predicted from what it is told."""

    hidden: tuple[int, ...] = Field(
        (32, 8), min_length=1, description="widths of the weight-prediction layers; the last is the rank of the kernels"
    )
    head: Literal["full", "modulated"] = Field(
        "full",
        description="how kernels are predicted: any of a family (the paper's), or a scaling of one kernel's taps",
    )

    def _convolution(self) -> Any:
        from qsmbench.networks.wpconv import WPConv3d

        return partial(WPConv3d, hidden=self.hidden, n_condition=self.n_condition, head=self.head)


class MetaQSM(PredictedUNet):
    """Meta-QSM: one U-Net for every voxel size."""

    source = "Liu & Koch 2019, doi 10.48550/arXiv.1908.00206"
    knows_voxel_size = True


class MetaQSMB0(PredictedUNet):
    """Meta-QSM told B0's direction too: oblique scans as they are; our extension."""

    source = "an extension of Meta-QSM (Liu & Koch 2019, doi 10.48550/arXiv.1908.00206): B0's direction is an input too"
    knows_voxel_size = True
    knows_b0_dir = True


class MesaQSM(PlainUNet):
    """Mesa-QSM: Meta-QSM's twin for one resolution."""

    source = "Liu & Koch 2019, doi 10.48550/arXiv.1908.00206: the fixed-resolution twin"


class QSMnet(PlainUNet):
    """QSMnet: 5 x 5 x 5 kernels, a learned way up, a loss with gradients and the field."""

    source = "Yoon 2018, doi 10.1016/j.neuroimage.2018.06.030: channels 32, 5 levels"
    own_loss: ClassVar[Loss] = "qsmnet"
    size = 5
    transposed = True


class DeepQSM(PlainUNet):
    """DeepQSM: a learned way up, the squared error."""

    source = "Bollmann 2019, doi 10.1016/j.neuroimage.2019.03.060; batch normalisation as in the other networks here"
    own_loss: ClassVar[Loss] = "l2"
    transposed = True
