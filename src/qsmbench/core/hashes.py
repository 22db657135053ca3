"""Hashes of what things are, not of the files they lie in."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def json_hash(content: Any) -> str:
    """SHA-256 of a JSON-able value, independent of the order of keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def array_hash(content: np.ndarray) -> str:
    """SHA-256 of an array's elements in C order."""
    return hashlib.sha256(content.tobytes()).hexdigest()


def folder_hash(folder: Path) -> str:
    """SHA-256 over the names and contents of a folder's files, compiled Python left out."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(json.dumps([path.relative_to(folder).as_posix(), content]).encode())
    return total.hexdigest()
