"""One method on one scan after the other: a failure is a record, not the end of the job, and each is timed."""

from __future__ import annotations

import csv
import io
import resource
import sys
import time
from dataclasses import dataclass, replace
from typing import Any

import torch
from tqdm import tqdm

from qsmbench.core.errors import InputError
from qsmbench.core.scan import Scan
from qsmbench.methods.contract import Method, Reconstruction, ReconstructionError

# What numerical code raises on data it cannot handle, that of third parties included; anything else is a mistake in
# this package and ends the job.
_FAILURES = (RuntimeError, InputError, ArithmeticError, MemoryError, ValueError, LookupError)


@dataclass(frozen=True, eq=False)
class Attempt:
    """How it went: a reconstruction in the memory of the CPU, or one line on why there is none."""

    found: Reconstruction | None
    message: str = ""

    @property
    def outcome(self) -> dict[str, str]:
        """Its part of a status file."""
        return {"status": "failed" if self.found is None else "ok", "message": self.message}


class Attempts:
    """A method on a device, and the time that each scan took."""

    def __init__(self, method: Method, name: str, device: str, kind: str = "sample") -> None:
        """Begin.

        Args:
            method: what runs.
            name: of the method, for messages.
            device: of torch.
            kind: what scans are called in the table of times.
        """
        self.method, self.name, self.device, self.kind = method, name, device, kind
        self._rows: list[tuple[Any, str, str]] = []

    def __call__(self, scan: Scan, label: Any) -> Attempt:
        """Reconstruct ``scan``, called ``label``."""
        scan = scan.to(self.device)
        started = time.perf_counter()
        try:
            found = _on_scan_grid(self.method.reconstruct(scan))
            found = replace(found, chi=found.chi.cpu())
        except _FAILURES as error:
            message = _message(error)
            tqdm.write(f"{self.kind} {label}: {self.name} failed: {message}")
            return Attempt(None, message)
        self._rows.append((label, f"{time.perf_counter() - started:.4f}", f"{_peak_memory(self.device):.0f}"))
        return Attempt(found)

    @property
    def times(self) -> str:
        """CSV: seconds a scan, and the most memory so far in MB: of the process on a CPU, of tensors on a GPU."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([(self.kind, "seconds", "peak_mb"), *self._rows])
        return text.getvalue()


def _on_scan_grid(found: Reconstruction) -> Reconstruction:
    if found.grid is not None:
        raise InputError("a map on a finer grid cannot be scored: leave out the option upsample")
    return found


def _message(error: Exception) -> str:
    """One line; errors that are not this package's own say of which kind they are."""
    text = " ".join(str(error).split()) or "no message"
    return text if isinstance(error, InputError | ReconstructionError) else f"{type(error).__name__}: {text}"


def _peak_memory(device: str) -> float:
    if device.startswith("cuda"):
        return float(torch.cuda.max_memory_allocated()) / 1e6
    # Kilobytes everywhere but on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1e-6 if sys.platform == "darwin" else 1.024e-3)
