"""Folders from strangers: nothing but regular files in folders, few and short enough to be looked at.

A pipe or a device in place of a file hangs whoever opens it, a link leads out of the folder, thousands of nested
folders break what walks them. So a folder is walked once before anything in it is opened; names and kinds alone are
read.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from qsmbench.core.damage import reason, shown
from qsmbench.core.errors import InputError

# The paper's scale is five thousand files, some eight folders deep.
MOST_FILES = 1_000_000
DEEPEST = 64
LONGEST_PATH = 1024
# A file of holes takes for ever to read and no room to send.
_LITTLE = 1 << 28
_MOST_HOLES = 100


@dataclass(frozen=True)
class Odd:
    """Something that is no regular file, or a limit that is passed.

    Attributes:
        path: below the folder, safe to show.
        text: what is wrong.
    """

    path: str
    text: str


_KINDS = (
    (stat.S_ISLNK, "is a link; send the file or folder itself"),
    (stat.S_ISFIFO, "is a pipe, and no file"),
    (stat.S_ISSOCK, "is a socket, and no file"),
    (stat.S_ISCHR, "is a device, and no file"),
    (stat.S_ISBLK, "is a device, and no file"),
)


def odd_entries(folder: Path, most: int = MOST_FILES) -> list[Odd]:
    """What in a folder is neither a folder nor a regular file of ours to open, or beyond the limits.

    Args:
        folder: itself may be a link.
        most: files and folders; where there are more, this is all that is said.
    """
    found: list[Odd] = []
    n, waiting = 0, [(os.fspath(folder), "", 0)]
    while waiting:
        place, prefix, depth = waiting.pop()
        try:
            with os.scandir(place) as entries:
                names = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            found.append(Odd(shown(prefix or "."), f"cannot be opened ({reason(error)})"))
            continue
        n += len(names)
        if n > most:
            return [
                *found,
                Odd(shown(prefix or "."), f"more than {most} files and folders; nothing else was looked at"),
            ]
        for entry in names:
            path = f"{prefix}{entry.name}"
            if len(path) > LONGEST_PATH or depth >= DEEPEST:
                text = f"is more than {DEEPEST} folders deep" if depth >= DEEPEST else "has a path of too many letters"
                found.append(Odd(f"{shown(path)[:80]}...", text))
                continue
            if (name := _odd_name(path)) is not None:
                found.append(name)
            about = entry.stat(follow_symlinks=False)
            mode = about.st_mode
            text = next((text for test, text in _KINDS if test(mode)), "")
            if not text and about.st_size > _LITTLE and about.st_blocks * 512 * _MOST_HOLES < about.st_size:
                text = f"claims {about.st_size / 1e9:.1f} GB, of which the disk holds {about.st_blocks * 512} bytes"
            if text:
                found.append(Odd(shown(path), text))
            elif stat.S_ISDIR(mode):
                waiting.append((entry.path, f"{path}/", depth + 1))
    return found


def _odd_name(path: str) -> Odd | None:
    clean = shown(path)
    return None if clean == path and "\\" not in path else Odd(clean, "has a name that is no plain text")


def check_regular(folder: Path) -> None:
    """Refuse a folder with anything odd in it.

    Raises:
        InputError: what is odd first.
    """
    odd = odd_entries(folder)
    if odd:
        more = f" (and {len(odd) - 1} more)" if len(odd) > 1 else ""
        raise InputError(f"{shown(folder)}: {odd[0].path} {odd[0].text}{more}; nothing was read")
