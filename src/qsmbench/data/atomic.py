"""A file is either whole or not there: write beside the target, flush to disk, move into place.

A rename within one file system replaces the target in one step (POSIX rename), so a job that dies halfway, or a reader
that looks too early, never meets half a file.
"""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qsmbench.core.errors import InputError


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the target's folder; it becomes ``path`` where the block ends well, else it is removed.

    The temporary name ends like the target's (``.nii.gz`` stays ``.nii.gz``), so writers that go by the suffix do the
    same thing. Missing parent folders are made. The block must write the file.

    Raises:
        InputError: the target is a folder, or its folder cannot be made or written to.
    """
    target = Path(path)
    if target.is_dir():
        raise InputError(f"cannot write {target}: it is a folder; give a file name")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot make the folder {target.parent} ({error.strerror}); give another output path"
        ) from error
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise InputError(f"cannot write into {target.parent}: no permission; give another output path")
    temporary = target.with_name(f".tmp-{secrets.token_hex(4)}-{target.name}")
    try:
        yield temporary
        flush_to_disk(temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def flush_to_disk(path: Path) -> None:
    """Ask the system to put the file's bytes on the disk (fsync) before anything points at it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text_atomic(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8 with the line ends it has, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_json_atomic(path: str | Path, value: object) -> None:
    """Write ``value`` as indented JSON with sorted keys and a trailing newline: equal values give equal bytes.

    Raises:
        ValueError: ``value`` holds NaN or infinity, which JSON does not have; say what they mean (null, a status).
    """
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    write_text_atomic(path, text + "\n")
