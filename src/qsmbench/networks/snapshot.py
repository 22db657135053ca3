"""State of a fit on disk: tensors and plain values in one file, whole or not there; equal states, equal bytes."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from qsmbench.core.errors import InputError
from qsmbench.data.atomic import atomic_path


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
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise InputError(f"cannot read {what} {path}; give another file, or none") from error
    if not isinstance(content, dict):
        raise InputError(f"{what} {path} holds something else; give another file, or none")
    return content
