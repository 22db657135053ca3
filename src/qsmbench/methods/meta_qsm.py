"""Meta-QSM: one trained U-Net for every voxel size (Liu & Koch 2019, arXiv 1908.00206).

The network sees the local field and the voxel size. It was trained with B0 along z: on an oblique scan its result is
only as good as that assumption.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from qsmbench.core.scan import Scan
from qsmbench.methods.contract import Method
from qsmbench.networks.meta_qsm import MetaQSM
from qsmbench.networks.weights import Scaling, load_network


@dataclass(frozen=True)
class MetaQSMReconstruction(Method):
    """Apply a trained Meta-QSM to the whole volume at once."""

    weights: Path

    def invert(self, scan: Scan) -> torch.Tensor:
        """Scale, run the network, scale back."""
        module, scaling = _load(
            self.weights, self.weights.stat().st_mtime_ns if self.weights.exists() else 0, str(scan.device)
        )
        voxel_size = scaling.voxel_size(torch.tensor([scan.grid.voxel_size], device=scan.device))
        field = (scan.local_field / scaling.field_std)[None, None]
        chi: torch.Tensor = module(field, voxel_size)[0, 0]
        return chi * scaling.chi_std


# Scans of a set share one network; the time stamp keeps a retrained file from being taken for the old one.
@lru_cache(maxsize=1)
def _load(path: Path, modified: int, device: str) -> tuple[MetaQSM, Scaling]:
    del modified
    network = load_network(path)
    return network.module(device), network.scaling
