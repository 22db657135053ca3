"""One method on one scan after the other: each is timed, and a failure that methods declare is a record.

Methods declare `ReconstructionError` and `InputError`. What else is raised is a mistake of a method's or of ours: it is
logged with its traceback, and ends the job where its kind says so (a name, a type, a shape that is wrong) or where
every scan meets it; else it is a record too, since a benchmark of many methods must not end with one scan.
"""

from __future__ import annotations

import csv
import io
import resource
import sys
import time
import traceback
from dataclasses import dataclass, replace

import torch
from tqdm import tqdm

from qsmbench.core.errors import InputError
from qsmbench.core.scan import Scan
from qsmbench.methods.contract import Method, Reconstruction, ReconstructionError

DECLARED = (ReconstructionError, InputError)
# What numerical code of third parties raises on data that it cannot handle. No other kind is ever the data's doing.
_PERHAPS_DATA = (RuntimeError, ArithmeticError, MemoryError, ValueError)
# Of torch, NumPy and SciPy, which raise RuntimeError and ValueError for arrays that do not fit together.
_SHAPE_WORDS = ("shape", "size of tensor", "sizes of tensors", "broadcast", "dimension", "dtype", "same device")


class UndeclaredError(Exception):
    """A method raised what no method declares: a mistake in the code, not in the data."""


@dataclass(frozen=True, eq=False)
class Attempt:
    """How it went: a reconstruction in the memory of the CPU, or one line on why there is none."""

    found: Reconstruction | None
    message: str = ""

    @property
    def outcome(self) -> dict[str, str]:
        """Its part of a status file."""
        return {"status": "failed" if self.found is None else "ok", "message": self.message}


class Runner:
    """A method on a device, and the time that each scan took."""

    def __init__(self, method: Method, name: str, device: str) -> None:
        """Begin.

        Args:
            method: what runs.
            name: of the method, for messages.
            device: of torch.
        """
        self.method, self.name, self.device = method, name, device
        self._rows: list[tuple[str, str, str]] = []
        self._undeclared: list[Exception] = []
        self._n = 0

    def __call__(self, scan: Scan, label: str) -> Attempt:
        """Reconstruct ``scan``, called ``label``.

        Raises:
            UndeclaredError: the method raised something that cannot be the data's doing.
        """
        self._n += 1
        scan = scan.to(self.device)
        started = time.perf_counter()
        try:
            found = _on_scan_grid(self.method.reconstruct(scan))
            found = replace(found, chi=found.chi.cpu())
        except DECLARED as error:
            return self.failed(label, " ".join(str(error).split()) or "no message")
        except _PERHAPS_DATA as error:
            tqdm.write(traceback.format_exc(), file=sys.stderr)
            message = f"{type(error).__name__}: {' '.join(str(error).split()) or 'no message'}"
            if isinstance(error, NotImplementedError) or any(w in message.lower() for w in _SHAPE_WORDS):
                raise UndeclaredError(f"scan {label}: {self.name}: {message}") from error
            self._undeclared.append(error)
            return self.failed(label, message)
        self._rows.append((label, f"{time.perf_counter() - started:.4f}", f"{_peak_memory(self.device):.0f}"))
        return Attempt(found)

    def failed(self, label: str, message: str) -> Attempt:
        """Say that there is no map of the scan called ``label``, and why."""
        tqdm.write(f"scan {label}: {self.name} failed: {message}", file=sys.stderr)
        return Attempt(None, message)

    def check_failures(self) -> None:
        """Raise UndeclaredError where every scan met an exception that methods do not declare."""
        if self._n and len(self._undeclared) == self._n:
            last = self._undeclared[-1]
            raise UndeclaredError(
                f"{self.name} failed on every scan with what no method declares; last: {type(last).__name__}: {last}"
            ) from last

    @property
    def times(self) -> str:
        """CSV: seconds a scan, and the most memory so far in MB: of the process on a CPU, of tensors on a GPU."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([("scan", "seconds", "peak_mb"), *self._rows])
        return text.getvalue()


def _on_scan_grid(found: Reconstruction) -> Reconstruction:
    if found.grid is not None:
        raise InputError("a map on a finer grid cannot be scored: leave out the option upsample")
    return found


def _peak_memory(device: str) -> float:
    if device.startswith("cuda"):
        return float(torch.cuda.max_memory_allocated()) / 1e6
    # Kilobytes everywhere but on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1e-6 if sys.platform == "darwin" else 1.024e-3)
