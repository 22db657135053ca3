"""JSON sidecars of NIfTI files: read with one clear line for what will not do, and the few values that geometry needs.

Values are whatever somebody wrote: null, text, infinity. Nothing here trusts one before it was looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from qsmbench.core.damage import quoted
from qsmbench.core.errors import InputError
from qsmbench.core.grid import Triple
from qsmbench.core.units import GAMMA_MHZ_PER_T

B0_DIR = "B0_dir"
# What numbers depend on: written in any case, and not twice with two values.
_KEYS = ("EchoTime", "EchoTimes", "MagneticFieldStrength", "ImagingFrequency", "Units", "Manufacturer", B0_DIR)
_BY_FOLDED = {key.lower().replace("_", ""): key for key in _KEYS}


def sidecar_path(image: Path) -> Path:
    """Where the sidecar of an image lies."""
    return image.with_name(re.sub(r"(\.nii)?(\.gz)?$", "", image.name, count=1, flags=re.IGNORECASE) + ".json")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object, in UTF-8 or what else editors and scanners' computers write.

    Raises:
        InputError: a broken link, no JSON, no object, a value that matters given twice.
    """
    if path.is_symlink() and not path.exists():
        raise InputError(f"{path} is a broken link (to {path.readlink()}); fetch the file it stands for")
    try:
        content = json.loads(_decoded(path.read_bytes()), object_pairs_hook=lambda pairs: _told_once(pairs, path))
    except (ValueError, OSError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON ({error}); correct it or convert the scan again") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold a JSON object; correct it or convert the scan again")
    return content


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # The name of an institution, say: what is read here is ASCII in either.
        return content.decode("latin-1")


def _told_once(pairs: list[tuple[str, Any]], path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        meant = _BY_FOLDED.get(key.lower().replace("_", ""), key)
        if meant in _KEYS and meant in found and found[meant] != value:
            raise InputError(f"{path} says {meant} twice, {quoted(found[meant])} and {quoted(value)}; correct it")
        found[meant] = value
    return found


def read_sidecar(image: Path) -> dict[str, Any]:
    """Return what lies beside an image, empty where nothing does.

    Raises:
        InputError: as ``read_json``.
    """
    path = sidecar_path(image)
    return read_json(path) if path.is_file() or path.is_symlink() else {}


def number(value: object) -> float | None:
    """Return a finite number as float, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if isfinite(value) else None
    except OverflowError:
        return None


def text(metadata: Mapping[str, Any], key: str) -> str:
    """Return a text value, empty where there is none."""
    value = metadata.get(key)
    return value if isinstance(value, str) else ""


def units_of(metadata: Mapping[str, Any], where: str) -> str:
    """Return the Units that a sidecar states, empty where it states none.

    Raises:
        InputError: they are no text.
    """
    value = metadata.get("Units")
    if value is not None and not isinstance(value, str):
        raise InputError(f"{where}: Units must be a text, 'rad' or 'Hz' say, got {quoted(value)}; correct the sidecar")
    return value or ""


def echo_time_of(metadata: Mapping[str, Any], where: str) -> float | None:
    """Return the echo time (s) that the sidecar of one echo states, None where it states none.

    Raises:
        InputError: it is no number.
    """
    value = metadata.get("EchoTime")
    if value is not None and number(value) is None:
        raise InputError(f"{where}: its sidecar has {str(value)[:40]!r} for EchoTime; give a number in s")
    return number(value)


def b0_of(metadata: Mapping[str, Any], where: str) -> float | None:
    """Return the main field (T) that a sidecar states, by its protons' ImagingFrequency (MHz) where it states no other.

    Raises:
        InputError: the two contradict each other, or the field is no number.
    """
    given = metadata.get("MagneticFieldStrength")
    if given is not None and number(given) is None:
        raise InputError(f"{where}: its sidecar has {str(given)[:40]!r} for MagneticFieldStrength; give a number in T")
    stated, frequency = number(metadata.get("MagneticFieldStrength")), number(metadata.get("ImagingFrequency"))
    nucleus = text(metadata, "ImagedNucleus") or "1H"
    if frequency is None or not frequency > 0 or nucleus not in ("1H", "H1", "H"):
        return stated
    by_frequency = frequency / GAMMA_MHZ_PER_T
    # Frequencies that are no magnet's in MHz are in another unit, and no help.
    if not 0.1 < by_frequency < 25:
        return stated
    if stated is None:
        return by_frequency
    # Makers round: 2.89 T is sold as 3 T.
    if stated > 0 and abs(by_frequency - stated) > 0.1 * stated:
        raise InputError(
            f"{where}: MagneticFieldStrength is {stated:g} T, but an ImagingFrequency of {frequency:g} MHz is that of "
            f"{by_frequency:.3g} T; correct the sidecar"
        )
    return stated


def b0_dir_of(metadata: Mapping[str, Any], where: str) -> Triple | None:
    """Return the direction of B0 (voxel axes) that a sidecar states, None where it states none.

    Raises:
        InputError: it states something that is no direction.
    """
    value = metadata.get(B0_DIR)
    if value is None:
        return None
    numbers = [number(v) for v in value] if isinstance(value, list) else []
    x, y, z = numbers if len(numbers) == 3 else (None, None, None)
    if x is None or y is None or z is None or not 1e-6 < (length := (x * x + y * y + z * z) ** 0.5) < 1e6:
        wanted = f"{B0_DIR} must be three numbers, not all zero"
        raise InputError(f"{where}: {wanted}, got {quoted(value)}; correct the sidecar")
    # Rounded digits leave a length of 1 - 1e-8; a grid's bits must not depend on who normalises.
    return (x, y, z) if abs(length - 1) < 1e-12 else (x / length, y / length, z / length)
