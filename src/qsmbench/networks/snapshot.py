"""State of a fit on disk: tensors and plain values in one file, whole or not there; equal states, equal bytes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from qsmbench.data.atomic import atomic_path
from qsmbench.networks.tensor_file import read_tensors


def save_snapshot(path: Path, content: dict[str, Any]) -> None:
    """Write ``content`` atomically."""
    # Through memory: torch writes a file's name into it, and the temporary name would change the bytes.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load_snapshot(path: Path, what: str, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read what `save_snapshot` wrote.

    Raises:
        InputError: no such file, or not a file of this kind; the message calls it ``what``.
    """
    return read_tensors(path, what, "give another file, or none", device=device)
