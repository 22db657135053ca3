"""Hashes of files by what they hold, read again only where size or time of a file changed.

A user's data are large and seldom change; every start of a workflow asks whether they did. What was hashed before is
kept in one small file beside Snakemake's own records, and only speeds this up.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from qsmbench.data.atomic import write_json_atomic

# In the working folder of a run, where there is one.
KNOWN = Path(".snakemake/qsmbench-inputs.json")


def hashes_of(paths: Sequence[Path], root: Path) -> dict[str, str]:
    """Return SHA-256 of files by their path below ``root``; of a file that cannot be read, what stands in its way."""
    known: dict[str, list[str]] = {}
    with suppress(OSError, ValueError):
        known = json.loads(KNOWN.read_text(encoding="utf-8"))
    found, new = {}, dict(known)
    for path in paths:
        name, key = path.relative_to(root).as_posix(), str(path.resolve())
        try:
            status = path.stat()
            stamp = f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
            if key not in known or known[key][0] != stamp:
                with path.open("rb") as stream:
                    new[key] = [stamp, hashlib.file_digest(stream, "sha256").hexdigest()]
            found[name] = new[key][1]
        except OSError as error:
            found[name] = error.strerror or "unreadable"
    if new != known and KNOWN.parent.is_dir():
        with suppress(OSError):
            write_json_atomic(KNOWN, new)
    return found
