"""What a method costs that nobody measured: two small runs of it, and the line through their times.

    seconds a Mvoxel = (t2 - t1) / (v2 - v1),   v1 < v2 voxels of two made-up scans

What a process takes to start is in both and drops out. A time on some ten thousand voxels is a rough guide to millions;
it is said to be one. What was found is kept (``$XDG_CACHE_HOME/qsmbench/rates``), by method, options, and the source of
both the method and qsmbench, so that a workflow's requests can use it without running anything.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.core.hashes import json_hash
from qsmbench.data.atomic import write_json_atomic
from qsmbench.methods.registry import build, origin
from qsmbench.provenance.version import source_sha256

# Below it a second run costs more than it tells.
_SHORTEST = 0.02


@dataclass(frozen=True)
class FirstRun:
    """What two small runs told.

    Attributes:
        seconds_mvoxel: wall time by million voxels.
        voxels: of the larger.
        seconds: of the larger.
    """

    seconds_mvoxel: float
    voxels: int
    seconds: float


def known(method: str, options: Mapping[str, Any]) -> FirstRun | None:
    """Return what an earlier first run told; None where there was none."""
    try:
        return FirstRun(**json.loads(_place(method, options).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, InputError):
        return None


def measure(method: str, options: Mapping[str, Any], weights: Path | None = None) -> FirstRun:
    """Run a method on two small scans, and keep what that told.

    Raises:
        InputError: unknown method, options that are none, a scan that lacks what it needs.
        ReconstructionError: it fails on the small scans.
    """
    from qsmbench.methods.checks import EXAMPLE_GRID, example

    x, y, z = EXAMPLE_GRID.shape
    larger = Grid((2 * x, 2 * y, 2 * z), EXAMPLE_GRID.voxel_size, EXAMPLE_GRID.b0_dir)
    built = build(method, options, weights)
    times, sizes = [], []
    for scan in (example(), example(larger)):
        started = time.perf_counter()
        built.reconstruct(scan)
        times.append(time.perf_counter() - started)
        sizes.append(scan.mask.numel())
    # The first has also paid for what is loaded once, which can make it the longer of the two.
    slope = max(times[1] - times[0], _SHORTEST) / (sizes[1] - sizes[0])
    found = FirstRun(round(1e6 * slope, 3), sizes[1], round(times[1], 3))
    write_json_atomic(_place(method, options), asdict(found))
    return found


def _place(method: str, options: Mapping[str, Any]) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    about = {"method": method, "options": dict(options), "origin": origin(method, options), "code": source_sha256()}
    return cache / "qsmbench" / "rates" / f"{json_hash(about)[:24]}.json"
