"""The file of a trained network: plain values and tensors, written whole, read back without executing anything.

It needs torch alone, so that a machine that trains can write it with little else installed.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch

from qsmbench.core.errors import InputError
from qsmbench.data.atomic import atomic_path
from qsmbench.networks.scaling import Scaling
from qsmbench.networks.tensor_file import read_tensors

FORMAT = "qsmbench-network-1"


def write_network(
    path: Path,
    *,
    architecture: str,
    options: dict[str, Any],
    scaling: Scaling,
    state: dict[str, torch.Tensor],
    record: dict[str, Any],
    precision: Literal["float32", "float16"] = "float32",
) -> None:
    """Write the file, atomically; half precision is for shipping, it is read back in single precision."""
    kept = torch.float16 if precision == "float16" else torch.float32
    content = {
        "format": FORMAT,
        "architecture": architecture,
        "options": options,
        "scaling": asdict(scaling),
        "state": {
            # Running variances may exceed what half precision holds, and cost nothing.
            name: value.to(kept) if value.is_floating_point() and "running_" not in name else value
            for name, value in state.items()
        },
        "record": record,
    }
    # Through memory: torch writes a file's name into it, and the temporary name would change the bytes.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def read_network(path: Path, sha256: str | None = None) -> dict[str, Any]:
    """Read what :func:`write_network` wrote.

    Args:
        path: the file.
        sha256: what its bytes must hash to, checked before any of them is used.

    Raises:
        InputError: missing, damaged, of other bytes, or not a qsmbench network.
    """
    written = verified(path, sha256)
    content = read_tensors(path, "a weights file", "train or fetch it again", content=io.BytesIO(written))
    if content.get("format") != FORMAT:
        raise InputError(f"weights file {path} is no qsmbench network (expected format {FORMAT})")
    return content


def verified(path: Path, sha256: str | None = None) -> bytes:
    """Return the bytes of a weights file, if they are those that ``sha256`` asks for; errors as in `read_network`."""
    if not path.is_file():
        raise InputError(f"weights file {path} does not exist; train it or name another with --weights")
    try:
        written = path.read_bytes()
    except OSError as error:
        raise InputError(f"weights file {path} cannot be read: {error}") from error
    if sha256 is not None and hashlib.sha256(written).hexdigest() != sha256:
        raise InputError(f"weights file {path} is not the one its card describes (SHA-256 differs); install again")
    return written


def card_hash(path: Path) -> str | None:
    """SHA-256 that the card beside a weights file, ``<name>.json``, states for it; None where there is no card."""
    return str(read_card(path)["weights_sha256"]) if path.with_suffix(".json").is_file() else None


def read_card(path: Path) -> dict[str, Any]:
    """The card beside a weights file: what it is of, how it was made, and the hash of the file.

    Raises:
        InputError: there is none, or it does not say this.
    """
    card = path.with_suffix(".json")
    try:
        content = json.loads(card.read_text(encoding="utf-8"))
        stated = {key: content[key] for key in ("architecture", "options", "weights_sha256")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"card {card} states no hash of its weights, or not what they are; install again") from error
    if not isinstance(stated["options"], dict):
        raise InputError(f"card {card}: options are no list of settings; install again")
    return stated
