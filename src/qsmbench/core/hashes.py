"""Hashes of what things are, not of the files they lie in."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def json_hash(content: Any) -> str:
    """SHA-256 of a JSON-able value, independent of the order of keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def array_hash(content: np.ndarray) -> str:
    """SHA-256 of an array's elements in C order."""
    return hashlib.sha256(content.tobytes()).hexdigest()
