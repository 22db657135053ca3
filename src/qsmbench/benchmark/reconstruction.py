"""Run one method over one set, of whatever kind; one scan's failure is a record, not the end of the job."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from qsmbench.benchmark.runner import Runner
from qsmbench.core.hashes import array_hash
from qsmbench.data.atomic import write_json_atomic, write_text_atomic
from qsmbench.data.download import sha256_of
from qsmbench.methods.registry import build, find, origin
from qsmbench.sets.contract import MapsAbout, ScanSet


def reconstruct(
    scans: ScanSet,
    *,
    method: str,
    options: dict[str, Any],
    weights: Path | None,
    out: Path,
    status: Path,
    timings: Path,
    device: str = "cpu",
) -> None:
    """Reconstruct every scan of a set.

    Args:
        scans: the set; its truth is not read.
        method: name in the registry.
        options: parameters that differ from the defaults.
        weights: of a network, or None.
        out: folder of the maps to write, as the kind of set keeps them; where the method failed there is no map.
        status: JSON to write: what ran, and per scan whether it worked, the hash of the map's voxels, how iterations
            converged and what the method noted.
        timings: CSV to write (`Runner.times`).
        device: of torch.
    """
    runner = Runner(build(method, options, weights), method, device)
    entry = find(method)
    about = MapsAbout(method, entry.label, options, entry.resolved(options))
    scans.start_maps(out, about)
    rows: list[dict[str, Any]] = []
    for name in tqdm(scans.names, unit="scan", desc=f"{method} on {scans.name}", disable=None):
        reason, earlier = scans.failure(name), runner.method.begins_earlier
        result = runner.failed(name, reason) if reason else runner(scans.scan_for(name, begins_earlier=earlier), name)
        row: dict[str, Any] = {"scan": name, **result.outcome, "sha256": "", "convergence": [], "notes": []}
        if (found := result.found) is not None:
            chi = np.ascontiguousarray(found.chi.numpy())
            said = {"convergence": [asdict(course) for course in found.convergence], "notes": list(found.notes)}
            scans.write_map(out, name, chi, about, said)
            row |= {"sha256": array_hash(chi), **said}
        rows.append(row)
    runner.check_failures()
    weights_hash = "" if weights is None else sha256_of(weights)
    write_text_atomic(timings, runner.times)
    made = {"method": method, "options": options, "weights_sha256": weights_hash, "scans": rows}
    if came_from := origin(method, options) | dict(runner.method.ran_in):
        made["origin"] = came_from
    write_json_atomic(status, made)
