"""Step 3: run one method over one set; one subject's failure is a record, not the end of the job."""

from __future__ import annotations

import csv
import hashlib
import io
import resource
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zarr
from tqdm import tqdm
from zarr.codecs import BloscCodec

from qsmbench.core.errors import InputError
from qsmbench.data.atomic import write_json_atomic, write_text_atomic
from qsmbench.data.download import sha256_of
from qsmbench.data.store import StoredSet
from qsmbench.methods.contract import Reconstruction, ReconstructionError
from qsmbench.methods.registry import build

# What numerical code raises on data it cannot handle, that of third parties included; anything else is a mistake in
# this package and ends the job.
FAILURES = (RuntimeError, InputError, ArithmeticError, MemoryError, ValueError, LookupError)


def reconstruct_set(
    *,
    store: Path,
    method: str,
    options: dict[str, Any],
    weights: Path | None,
    out: Path,
    status: Path,
    timings: Path,
    device: str = "cpu",
) -> None:
    """Reconstruct every sample of a synthetic set.

    Args:
        store: the set; its chi is not read.
        method: name in the registry.
        options: parameters that differ from the defaults.
        weights: of a network, or None.
        out: Zarr store to write: chi (sample, x, y, z), float32, ppm; NaN where the method failed.
        status: JSON to write: what ran, and per sample whether it worked, the hash of the result and the course of
            the iterations.
        timings: CSV to write: seconds per sample, and the most memory so far in MB: of the whole process on a CPU, of
            torch's tensors on a GPU.
        device: of torch.
    """
    stored = StoredSet(store)
    reconstruct = build(method, options, weights)
    group = zarr.open_group(out, mode="w", zarr_format=3, attributes={"method": method, "options": options})
    shape = stored.grid(0).shape
    volumes = zarr.create_array(
        out,
        name="chi",
        shape=(len(stored), *shape),
        dtype="float32",
        chunks=(1, *shape),
        fill_value=np.nan,
        zarr_format=3,
        dimension_names=("sample", "x", "y", "z"),
        attributes={"long_name": "reconstructed magnetic susceptibility", "units": "ppm"},
        compressors=BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"),
    )
    del group
    rows: list[dict[str, Any]] = []
    clock = io.StringIO()
    writer = csv.writer(clock, lineterminator="\n")
    writer.writerow(("sample", "seconds", "peak_mb"))
    for index in tqdm(range(len(stored)), unit="subject", desc=method, disable=None):
        scan = stored.scan(index).to(device)
        started = time.perf_counter()
        try:
            found = on_scan_grid(reconstruct.reconstruct(scan))
            chi = found.chi.cpu().numpy()
        except FAILURES as error:
            message = failure_message(error)
            rows.append({"sample": index, "status": "failed", "message": message, "sha256": "", "courses": []})
            tqdm.write(f"sample {index}: {method} failed: {message}")
            continue
        writer.writerow((index, f"{time.perf_counter() - started:.4f}", f"{peak_memory(device):.0f}"))
        volumes[index] = chi
        digest = hashlib.sha256(np.ascontiguousarray(chi).tobytes()).hexdigest()
        courses = [asdict(course) for course in found.courses]
        row = {"sample": index, "status": "ok", "message": "", "sha256": digest, "courses": courses}
        rows.append(row | {"notes": list(found.notes)} if found.notes else row)
    weights_hash = "" if weights is None else sha256_of(weights)
    write_text_atomic(timings, clock.getvalue())
    write_json_atomic(status, {"method": method, "options": options, "weights_sha256": weights_hash, "samples": rows})


def on_scan_grid(found: Reconstruction) -> Reconstruction:
    """Return it; scores compare voxel by voxel.

    Raises:
        InputError: it has a grid of its own.
    """
    if found.grid is not None:
        raise InputError("a map on a finer grid cannot be scored: leave out the option upsample")
    return found


def failure_message(error: Exception) -> str:
    """One line; errors that are not this package's own say of which kind they are."""
    text = " ".join(str(error).split()) or "no message"
    return text if isinstance(error, InputError | ReconstructionError) else f"{type(error).__name__}: {text}"


def peak_memory(device: str = "cpu") -> float:
    """Return the most memory in MB that this process has held so far, or its tensors on a GPU."""
    if device.startswith("cuda"):
        return float(torch.cuda.max_memory_allocated()) / 1e6
    # Kilobytes everywhere but on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1e-6 if sys.platform == "darwin" else 1.024e-3)
