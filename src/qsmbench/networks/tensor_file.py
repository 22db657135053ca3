"""Files of tensors and plain values from anybody: whole by their checksums, nothing executed, nothing inflated.

A torch file is a zip whose entries lie in it uncompressed, each with its CRC-32. torch itself does not look at them, so
that a flipped bit would become another weight.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO, Any

import torch

from qsmbench.core.damage import reading
from qsmbench.core.errors import InputError

# A thousand times the entries of the largest network here.
_MOST_ENTRIES = 100_000


def read_tensors(
    path: Path, what: str, advice: str, *, content: IO[bytes] | None = None, device: torch.device | str = "cpu"
) -> dict[str, Any]:
    """Read a file that ``torch.save`` wrote of a dictionary.

    Args:
        path: of the file, as the user knows it.
        what: it should be, "a checkpoint".
        advice: what to do where it is not.
        content: its bytes, where they are in memory already.
        device: where tensors go.

    Raises:
        InputError: missing, damaged, or something else.
    """
    if content is None and not path.is_file():
        raise InputError(f"{path} does not exist; {advice}")
    with reading(path, what, advice):
        _check_whole(path if content is None else content)
        read = torch.load(path if content is None else content, map_location=device, weights_only=True)
    if not isinstance(read, dict) or not all(isinstance(key, str) for key in read):
        raise InputError(f"{path} is not {what}; {advice}")
    return read


def _check_whole(file: Path | IO[bytes]) -> None:
    with zipfile.ZipFile(file) as entries:
        listed = entries.infolist()
        if len(listed) > _MOST_ENTRIES or any(entry.compress_type != zipfile.ZIP_STORED for entry in listed):
            raise ValueError("not as torch packs files")
        broken = entries.testzip()
    if broken is not None:
        raise ValueError(f"the checksum of {broken} differs")
    if not isinstance(file, Path):
        file.seek(0)
