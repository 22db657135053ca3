"""How much disk a set takes, known before it is made, and whether there is that much."""

from __future__ import annotations

import errno
import os
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

# Of a synthetic set's inspection: two pictures, which the report shows again, and two tables with some lines a sample.
_LOOK, _LOOK_SAMPLE = 1.2e6, 2e3
# Of a report: its page with the viewer's program; of a set: tables, distributions and spectrum, each as a file and in
# the page; of a shown scan: slices of one method's map, likewise.
_PAGE, _SECTION, _SLICES = 4e6, 1e6, 0.25e6
# Less than this is left where a disk is full: what failed to be written is gone again.
_NOTHING = 1 << 20


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


def derived_bytes(shape: Shape, n_scans: int) -> int:
    """At most how many bytes fields made of other scans take: three float32 maps and a mask of each."""
    return int(prod(shape) * n_scans * _TRUTH)


def inspection_bytes(n_samples: int) -> int:
    """At most how many bytes the pictures and tables of a synthetic set take."""
    return int(_LOOK + _LOOK_SAMPLE * n_samples)


def report_bytes(n_sets: int, n_shown: int, n_methods: int, viewer_megabytes: float) -> int:
    """At most how many bytes a report takes.

    Args:
        n_sets: that it has sections of.
        n_shown: scans of each whose slices are shown.
        n_methods: compared on each.
        viewer_megabytes: room for the viewer's volumes.
    """
    return int(_PAGE + n_sets * (_SECTION + n_shown * (n_methods + 2) * _SLICES) + 1e6 * viewer_megabytes)


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


def temporary_folder() -> Path:
    """Where temporary files go, full or not: ``tempfile`` itself leaves out a folder that it cannot write to."""
    return Path(os.environ.get("TMPDIR", "/tmp"))


def full_disks(*folders: Path) -> list[str]:
    """A line for each folder whose disk is full, in the system's own words."""
    return [f"{folder}: {os.strerror(errno.ENOSPC)}" for folder in folders if free_bytes(folder) < _NOTHING]


def check_space(folder: Path, need: int, what: str) -> None:
    """Raise InputError where the disk of ``folder`` has fewer than ``need`` bytes free."""
    free = free_bytes(folder)
    if need > free:
        raise InputError(
            f"{what} takes about {size_text(need)}, but only {size_text(free)} are free at {folder}; "
            "free some, or choose another folder or fewer samples"
        )
