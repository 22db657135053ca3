"""A network over a whole volume, or, where feature maps would not fit, over overlapping windows blended seamlessly.

Windows overlap by a quarter and are weighted by a Gaussian (MONAI's sliding_window_inference, Cardoso 2022, doi
10.48550/arXiv.2211.02701). A window knows nothing of the field's sources outside it, so whole volumes are preferred.
"""

from __future__ import annotations

import torch

from qsmbench.networks.contract import Architecture

# Edges in voxels; the largest that fits into memory is taken.
WINDOWS = (192, 160, 128, 96, 64)
OVERLAP = 0.25


def apply_in_windows(
    module: torch.nn.Module, inputs: torch.Tensor, kind: Architecture, *, window: int, memory: float, notes: list[str]
) -> torch.Tensor:
    """Return the network's map (x, y, z) of ``inputs`` (channels, x, y, z), both scaled.

    Args:
        module: specialised to the scan: its condition is not used any more.
        inputs: what the network sees.
        kind: its architecture.
        window: edge of the windows in voxels; 0 chooses.
        memory: GB for feature maps.
        notes: a line is added where windows were used.
    """
    nothing = torch.zeros(1, 0, device=inputs.device)
    volume, shape = inputs[None], tuple(inputs.shape[1:])
    if window == 0 and peak_gigabytes(kind.width, shape) > memory:
        fitting = (edge for edge in WINDOWS if peak_gigabytes(kind.width, (edge,) * 3) <= memory)
        window = next(fitting, WINDOWS[-1])
    if window == 0 or window >= max(shape):
        whole: torch.Tensor = module(volume, nothing)[0, 0]
        return whole
    # Imported here: it takes seconds, and few volumes need it.
    from monai.inferers.utils import sliding_window_inference

    edge = -(-window // kind.multiple) * kind.multiple
    notes.append(f"done in overlapping windows of {edge} voxels: sources outside a window are unknown to it")
    found = sliding_window_inference(
        volume, (edge,) * 3, 1, lambda x: module(x, nothing), overlap=OVERLAP, mode="gaussian"
    )
    assert isinstance(found, torch.Tensor)
    return found[0, 0]


def peak_gigabytes(n_channels: int, shape: tuple[int, ...]) -> float:
    """Memory of the feature maps at the top level, where it is largest: skip, interpolated, joined and result."""
    voxels = 1.0
    for n in shape:
        voxels *= n
    # 1 (skip) + 2 (from below) + 3 (joined) + 1 (result), and convolution's own workspace of most of that again
    # (measured: docs/networks.md).
    return 4e-9 * voxels * n_channels * 13
