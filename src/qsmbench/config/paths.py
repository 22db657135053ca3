"""Paths in a configuration: of whatever name, but for the few characters that Snakemake reads as its own.

Braces are wildcards to it, angle brackets variables of paths, and no way of writing them hides either everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from qsmbench.core.damage import is_plain, shown

_SNAKEMAKES = frozenset("{}<>")
# Of these the folder of the results must be free as well: rules make names of it, and search them.
_PATTERNS = _SNAKEMAKES | frozenset("*?[]\"'`$\\")


def odd_path(config: BaseModel) -> str | None:
    """Which path of a configuration cannot be used, in words; None where all can."""
    for key, path in _paths(config, ""):
        odd = sorted(set(str(path)) & (_PATTERNS if key == "results" else _SNAKEMAKES))
        if odd or not is_plain(str(path)):
            what = " ".join(odd) or "characters that cannot be seen"
            return f"{key}: a path must not have {what} in it, got '{shown(path)}'; rename it"
        if any(len(part.encode(errors="replace")) > 255 for part in path.parts):
            return f"{key}: a part of the path is longer than a file's name can be; give a shorter one"
    return None


def _paths(value: Any, key: str) -> Iterator[tuple[str, Path]]:
    """Every path in a configuration with its key."""
    if isinstance(value, Path):
        yield key, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _paths(getattr(value, name), f"{key}.{name}" if key else name)
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield from _paths(part, f"{key}.{name}")
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            yield from _paths(part, f"{key}.{number}")
