"""How much disk a set takes, known before it is made, and whether there is that much."""

from __future__ import annotations

import shutil
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from qsmbench.core.errors import InputError

if TYPE_CHECKING:
    from qsmbench.core.grid import Shape

# Bytes a voxel of chi, local_field and mask together, compressed: somewhat above what docs/synthesis.md measures.
_PLAIN = 1.7
_NOISY = 2.3
# Of a magnitude image and, on noisy fields, of the noise that follows it.
_MAGNITUDE = 1.0
_FIELD_NOISE = 1.3
# What one reconstruction takes: float32, compressed, at its worst.
_MAP = 4.0
# Likewise of a scan: int16 magnitude and float32 phase of an echo; three float32 maps and a mask of the truth; eight
# float32 maps and two masks of the preparation.
_ECHO, _TRUTH, _PREPARED = 6.0, 13.0, 34.0


def set_bytes(shape: Shape, n_samples: int, *, noisy: bool, magnitude: bool = False) -> int:
    """About how many bytes a synthetic set takes; ``noisy``: with noise on the field, which compresses worse.

    >>> round(set_bytes((128, 128, 64), 30_000, noisy=False) / 1e9)
    53
    """
    voxel = _NOISY if noisy else _PLAIN
    if magnitude:
        voxel += _MAGNITUDE + (_FIELD_NOISE if noisy else 0)
    return int(prod(shape) * n_samples * voxel)


def map_bytes(shape: Shape, n_samples: int) -> int:
    """At most how many bytes one method's maps of a set take."""
    return int(prod(shape) * n_samples * _MAP)


def scan_bytes(shape: Shape, n_echoes: int, n_scans: int) -> int:
    """At most how many bytes simulated scans take, with their truth and what the preparation makes of them."""
    return int(prod(shape) * n_scans * (n_echoes * _ECHO + _TRUTH + _PREPARED))


def size_text(size: float) -> str:
    """Bytes as people read them.

    >>> size_text(56_600_000_000), size_text(480_000)
    ('56.6 GB', '0.5 MB')
    """
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def folder_bytes(folder: Path) -> int:
    """Bytes of the files in a folder, 0 where there is none."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def free_bytes(folder: Path) -> int:
    """Free bytes on the disk of a folder that may not exist yet."""
    there = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    return shutil.disk_usage(there).free


def check_space(folder: Path, need: int, what: str) -> None:
    """Raise InputError where the disk of ``folder`` has fewer than ``need`` bytes free."""
    free = free_bytes(folder)
    if need > free:
        raise InputError(
            f"{what} takes about {size_text(need)}, but only {size_text(free)} are free at {folder}; "
            "free some, or choose another folder or fewer samples"
        )
