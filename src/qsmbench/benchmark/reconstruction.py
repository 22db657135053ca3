"""Step 3: run one method over one set; one subject's failure is a record, not the end of the job."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from tqdm import tqdm
from zarr.codecs import BloscCodec

from qsmbench.benchmark.attempts import Attempts
from qsmbench.data.atomic import write_json_atomic, write_text_atomic
from qsmbench.data.download import sha256_of
from qsmbench.data.store import StoredSet
from qsmbench.methods.registry import build


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
        timings: CSV to write (`Attempts.times`).
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
    attempt = Attempts(reconstruct, method, device)
    rows: list[dict[str, Any]] = []
    for index in tqdm(range(len(stored)), unit="subject", desc=method, disable=None):
        result = attempt(stored.scan(index), index)
        row = {"sample": index, **result.outcome, "sha256": "", "convergence": []}
        if (found := result.found) is not None:
            chi = found.chi.numpy()
            volumes[index] = chi
            row["sha256"] = hashlib.sha256(np.ascontiguousarray(chi).tobytes()).hexdigest()
            row["convergence"] = [asdict(course) for course in found.convergence]
            row |= {"notes": list(found.notes)} if found.notes else {}
        rows.append(row)
    weights_hash = "" if weights is None else sha256_of(weights)
    write_text_atomic(timings, attempt.times)
    write_json_atomic(status, {"method": method, "options": options, "weights_sha256": weights_hash, "samples": rows})
