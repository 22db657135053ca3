"""Every file of a results folder with its SHA-256, in the format of `sha256sum`, so that `sha256sum -c` checks it.

    <64 hexadecimal digits>  <path relative to the folder>

The manifest and the crate's metadata are not in it: the metadata holds the manifest's hash, and the hash of the
metadata is the digest of everything.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from qsmbench.core.damage import is_plain, reading, shown
from qsmbench.core.errors import InputError
from qsmbench.data.atomic import write_text_atomic
from qsmbench.data.download import sha256_of

MANIFEST = "manifest-sha256.txt"
CRATE = "ro-crate-metadata.json"
SIGNATURE = f"{CRATE}.sig"
_DIGEST = re.compile("[0-9a-f]{64}")
_LONGEST_LINE = 8192

# Pattern of a path or of a file's name: why such files are no part of a result. All others are.
EXCLUDED = {
    "logs/*": "what jobs printed; holds paths of the machine, and nothing is computed from it",
    "*/.snakemake_timestamp": "Snakemake's mark on a folder's time",
    ".snakemake/*": "Snakemake's own records",
    "*.checkpoint": "a training's state until it ends",
    "*.journal": "scores of an evaluation until it ends",
    ".qsmbench-*.lock": "which processes ran here",
    ".tmp-*": "a file that is being written",
    "*.partial": "a file that is being written",
    MANIFEST: "the list of hashes itself; the crate's metadata holds its hash",
    CRATE: "the crate's metadata; its hash is the digest of everything",
    SIGNATURE: "a signature of that metadata, where somebody signed it",
}


def excluded(path: str) -> str | None:
    """Why a file, by its path below the results, is not in the manifest; None where it is.

    >>> excluded("logs/train/net.log") is not None, excluded("scores.parquet")
    (True, None)
    """
    name = path.rsplit("/", 1)[-1]
    return next((why for pattern, why in EXCLUDED.items() if fnmatch(path, pattern) or fnmatch(name, pattern)), None)


def files_of(folder: Path) -> list[str]:
    """Paths of all files that belong in the manifest, sorted.

    Raises:
        InputError: a name that the manifest's format cannot hold.
    """
    found = []
    for parent, _, names in os.walk(folder):
        for name in names:
            path = (Path(parent) / name).relative_to(folder).as_posix()
            if excluded(path) is None:
                found.append(path)
    odd = [path for path in found if not is_plain(path) or "\\" in path]
    if odd:
        raise InputError(f"{folder}: the file name {shown(odd[0])} has control characters or a backslash; rename it")
    return sorted(found)


def hash_files(folder: Path, paths: Iterable[str], threads: int = 2) -> dict[str, str]:
    """SHA-256 of each file, several at a time."""
    wanted = list(paths)
    with ThreadPoolExecutor(threads) as pool:
        return dict(zip(wanted, pool.map(lambda path: sha256_of(folder / path), wanted), strict=True))


def write_manifest(folder: Path, hashes: Mapping[str, str]) -> None:
    """Write the manifest."""
    write_text_atomic(folder / MANIFEST, "".join(f"{hashes[path]}  {path}\n" for path in sorted(hashes)))


def read_manifest(folder: Path) -> dict[str, str]:
    """Return path to SHA-256.

    Raises:
        InputError: no manifest, or a line that is none.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(f"{folder} has no {MANIFEST}; make it with 'qsmbench crate', or unpack all of it")
    hashes: dict[str, str] = {}
    with reading(path), path.open(encoding="utf-8", newline="\n") as file:
        number = 0
        # A line at a time, and no longer than one can be: the file may be of any size.
        while line := file.readline(_LONGEST_LINE):
            number += 1
            digest, separator, name = line.removesuffix("\n").partition("  ")
            if not separator or not _DIGEST.fullmatch(digest) or not _is_inside(name) or name in hashes:
                raise InputError(f"{path}, line {number}: expected a SHA-256, two blanks and a path that comes once")
            hashes[name] = digest
    return hashes


def _is_inside(name: str) -> bool:
    """Whether a name of the manifest is the path of a file below the folder, said in the one way it can be."""
    return bool(name) and name == PurePosixPath(name).as_posix() and name[0] != "/" and ".." not in name.split("/")


def tree_digest(hashes: Mapping[str, str], folder: str) -> str:
    """One SHA-256 for all files below a folder: that of their lines of the manifest, with paths from that folder.

    >>> tree_digest({"a/x": "0" * 64, "b": "1" * 64}, "a") == hashlib.sha256(b"0" * 64 + b"  x\\n").hexdigest()
    True
    """
    prefix = folder.rstrip("/") + "/"
    lines = [f"{hashes[path]}  {path.removeprefix(prefix)}\n" for path in sorted(hashes) if path.startswith(prefix)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
