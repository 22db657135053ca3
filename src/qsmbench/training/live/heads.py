"""Heads at rest as tensors, from small files that carry them to a machine with little installed.

`<name>.npz`: chi in steps of 1e-4 ppm (int16), mask, labels (uint8, 0 where there are none), voxel size in mm; axes run
to the patient's right, front and top, B0 along the last. `tools/make_heads.py` writes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Triple
from qsmbench.data.atomic import atomic_path

STEP = 1e-4


@dataclass(frozen=True, eq=False)
class LiveHead:
    """A head on a device, cut to its mask's box.

    Attributes:
        name: of its file.
        chi: (x, y, z) float32, ppm, zero outside the mask.
        mask: (x, y, z) float32, 0 or 1.
        labels: (x, y, z) int64; zeros where the head has none.
        voxel_size: mm.
    """

    name: str
    chi: torch.Tensor
    mask: torch.Tensor
    labels: torch.Tensor
    voxel_size: Triple

    @property
    def half_extent(self) -> NDArray[np.float64]:
        """Half the edges of the mask's box in mm."""
        half: NDArray[np.float64] = np.array(self.chi.shape) * np.array(self.voxel_size) / 2
        return half


def save_head(
    path: Path,
    chi: NDArray[np.float32],
    mask: NDArray[np.bool_],
    labels: NDArray[np.int16] | None,
    voxel_size: Triple,
) -> None:
    """Write a head's file, atomically; volumes are (x, y, z), chi in ppm."""
    inside = np.argwhere(mask)
    if not len(inside):
        raise InputError(f"the head for {path} has an empty mask; give one with a brain in it")
    x, y, z = (slice(int(low), int(high) + 1) for low, high in zip(inside.min(0), inside.max(0), strict=True))
    steps = np.round(np.where(mask, chi, 0)[x, y, z] / STEP).astype(np.int16)
    own = np.zeros(mask.shape, np.uint8) if labels is None else labels.astype(np.uint8)
    with atomic_path(path) as temporary:
        np.savez_compressed(
            temporary, chi=steps, mask=mask[x, y, z], labels=own[x, y, z], voxel_size=np.array(voxel_size)
        )


def load_heads(folder: Path, device: torch.device | str = "cpu") -> list[LiveHead]:
    """Read every head of a folder, in the order of their names.

    Raises:
        InputError: no head there, or a file that is none.
    """
    paths = sorted(folder.glob("*.npz"))
    if not paths:
        raise InputError(f"{folder} holds no head (*.npz); make some with tools/make_heads.py")
    return [_load(path, device) for path in paths]


def _load(path: Path, device: torch.device | str) -> LiveHead:
    try:
        with np.load(path, allow_pickle=False) as content:
            chi, mask, labels, size = (content[key] for key in ("chi", "mask", "labels", "voxel_size"))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} is not a head's file; make it again with tools/make_heads.py") from error
    x, y, z = (float(v) for v in size)
    return LiveHead(
        path.stem,
        torch.from_numpy(chi.astype(np.float32) * np.float32(STEP)).to(device),
        torch.from_numpy(mask.astype(np.float32)).to(device),
        torch.from_numpy(labels.astype(np.int64)).to(device),
        (x, y, z),
    )
