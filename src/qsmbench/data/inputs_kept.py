"""What was read is not written over: the only copy of a scan, or of what its sidecar says, may be there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from qsmbench.core.errors import InputError
from qsmbench.data.sidecars import sidecar_path


def keep_inputs(outputs: Iterable[Path], inputs: Iterable[Path | None]) -> None:
    """Refuse outputs that are inputs, or whose sidecar is an input's.

    Raises:
        InputError: one is, by whatever name.
    """
    read: dict[Path, Path] = {}
    for path in inputs:
        if path is not None:
            read[path.resolve()] = path
            beside = sidecar_path(path)
            if beside.exists():
                read[beside.resolve()] = beside
    for path in outputs:
        for written in (path, sidecar_path(path)):
            if written.resolve() in read:
                found = read[written.resolve()]
                raise InputError(f"{found} is an input and would be written over; give another output path")
