"""The networks of `qsmbench.networks.unets` without their configuration: what a machine without pydantic can make.

A test holds both to the same layers; a file written here is read as theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from qsmbench.core.errors import InputError
from qsmbench.networks.scaling import Scaling
from qsmbench.networks.unet import UNet
from qsmbench.networks.wpconv import PlainConv3d, WPConv3d


@dataclass(frozen=True)
class _Kind:
    predicted: bool = False
    size: int = 3
    transposed: bool = False


KINDS = {
    "meta-qsm": _Kind(predicted=True),
    "mesa-qsm": _Kind(),
    "qsmnet": _Kind(size=5, transposed=True),
    "deepqsm": _Kind(transposed=True),
}
_PLAIN, _PREDICTED = {"channels": 16, "levels": 4}, {"hidden": (32, 8), "head": "full"}


def new_network(name: str, options: Mapping[str, Any], corrects: int = 0) -> UNet:
    """Return a network with fresh weights, which sees the field and ``corrects`` so many first maps.

    Raises:
        InputError: no network of that name can be trained live, or it has no such option.
    """
    if name not in KINDS:
        raise InputError(f"architecture '{name}' cannot be trained live; known: {', '.join(KINDS)}")
    kind = KINDS[name]
    known = _PLAIN | (_PREDICTED if kind.predicted else {})
    unknown = set(options) - set(known)
    if unknown:
        raise InputError(f"network {name} has no option '{min(unknown)}'; known: {', '.join(known)}")
    values = known | dict(options)
    convolution: Any = PlainConv3d
    if kind.predicted:
        convolution = partial(WPConv3d, hidden=values["hidden"], n_condition=3, head=values["head"])
    return UNet(
        convolution, values["channels"], values["levels"], kind.size, transposed=kind.transposed, corrects=corrects
    )


def conditions(name: str, scaling: Scaling, voxel_size: torch.Tensor) -> torch.Tensor:
    """Return what the network is told of voxel sizes (n, 3) in mm: their place in the trained range, or nothing."""
    if KINDS[name].predicted:
        return scaling.voxel_size(voxel_size)
    return torch.zeros(len(voxel_size), 0, device=voxel_size.device)
