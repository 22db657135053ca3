"""Weights that come with the package, and how a configuration or command names them: ``shipped:NAME``."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from qsmbench.core.errors import InputError

PREFIX = "shipped:"
# What comes with the field, in a method's name and label: nothing, as in the papers; maps of L2 or TV; of Wiener.
INPUTS = {"": "", "-tv": " (from TV)", "-wiener": " (from Wiener)"}
FOLDER = Path(str(files("qsmbench.networks"))) / "weights_files"


def shipped() -> list[str]:
    """Names of the shipped weights."""
    return sorted(path.stem for path in FOLDER.glob("*.pt"))


def suffix_of(first_map: str | None) -> str:
    """End of the name of the method that applies networks with such first maps.

    >>> suffix_of(None), suffix_of("l2"), suffix_of("wiener")
    ('', '-tv', '-wiener')
    """
    if first_map is None:
        return ""
    return "-wiener" if first_map == "wiener" else "-tv"


def input_of(name: str) -> str:
    """The same of a method or of shipped weights by name.

    >>> input_of("meta-qsm"), input_of("mesa-research-tv")
    ('', '-tv')
    """
    return next((suffix for suffix in INPUTS if suffix and name.endswith(suffix)), "")


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
