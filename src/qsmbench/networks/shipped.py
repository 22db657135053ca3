"""Weights that come with the package, and how a configuration or command names them: ``shipped:NAME``."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from qsmbench.core.errors import InputError

PREFIX = "shipped:"
FOLDER = Path(str(files("qsmbench.networks"))) / "weights_files"


def shipped() -> list[str]:
    """Names of the shipped weights."""
    return sorted(path.stem for path in FOLDER.glob("*.pt"))


def resolve(weights: str | Path) -> Path:
    """Return the file that ``shipped:NAME`` stands for, or the path itself.

    Raises:
        InputError: nothing of that name is shipped.
    """
    text = str(weights)
    if not text.startswith(PREFIX):
        return Path(weights)
    name = text.removeprefix(PREFIX)
    if name not in shipped():
        raise InputError(f"no weights are shipped as '{name}'; shipped: {', '.join(shipped()) or 'none'}")
    return FOLDER / f"{name}.pt"
