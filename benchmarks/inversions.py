"""What every inversion costs and how far it is from the truth, at its defaults, on one head.

    python benchmarks/inversions.py --chi CHI --mask MASK [--methods tkd l2 ...] [--threads 1 2]

Fields: of the map itself (0 ppb), with 2.5 ppb of white noise, and one draw of the error model `measured-like`. Every
method and field is a process of its own, so that the peak of memory is the method's; of that what was there before the
call, Python, torch and the volumes, is taken off. Seconds are process CPU seconds of the call, without start-up; a
first call on a small corner compiles and warms. With two numbers of threads wall seconds are compared as well, which
wants a quiet machine. Prints Markdown: docs/methods.md.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from qsmbench.core.grid import Grid
from qsmbench.core.scan import Scan
from qsmbench.core.seeds import generator_for
from qsmbench.data.nifti import read_mask, read_volume
from qsmbench.methods.crop import crop_scan
from qsmbench.methods.registry import build, find
from qsmbench.metrics.registry import score
from qsmbench.physics.dipole import forward_field
from qsmbench.simulation.error_model import measured_like

FIELDS = ("0 ppb", "2.5 ppb", "measured-like")
METHODS = ("tkd", "l2", "wiener", "rts", "tv", "fansi", "hd-qsm", "ndi", "ilsqr", "medi", "spectral-tv", "inr-qsm")
METHODS += ("consensus",)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chi", type=Path, required=True, help="susceptibility map, ppm")
    parser.add_argument("--mask", type=Path, required=True)
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--fields", nargs="+", default=list(FIELDS), choices=FIELDS)
    parser.add_argument("--threads", nargs="+", type=int, default=[1])
    parser.add_argument("--one", nargs=3, metavar=("METHOD", "FIELD", "THREADS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, field, threads = options.one
        print(json.dumps(measured(options.chi, options.mask, name, field, int(threads))))
        return
    # As `import qsmbench` sets it where it comes before torch.
    environment = {"OMP_WAIT_POLICY": "PASSIVE"} | os.environ
    own = [sys.executable, __file__, "--chi", str(options.chi), "--mask", str(options.mask)]
    columns = [f"RMSE (%), {field}" for field in options.fields]
    columns += [f"CPU s, {field}" for field in options.fields] + ["GB", *(f"wall s, {n}" for n in options.threads)]
    print("| method | " + " | ".join(columns) + " |\n" + "|---" * (1 + len(columns)) + "|", flush=True)
    for name in options.methods:
        runs = {}
        for field in options.fields:
            # Threads are compared on one field.
            for n in options.threads if field == options.fields[-1] else options.threads[:1]:
                one = [*own, "--one", name, field, str(n)]
                ended = subprocess.run(one, check=True, stdout=subprocess.PIPE, env=environment)
                runs[field, n] = json.loads(ended.stdout)
        first = [runs[field, options.threads[0]] for field in options.fields]
        values = [f"{run['rmse']:.1f}" for run in first] + [f"{run['cpu']:.1f}" for run in first]
        values.append(f"{max(run['gb'] for run in first):.2f}")
        values += [f"{runs[options.fields[-1], n]['wall']:.1f}" for n in options.threads]
        print(f"| {find(name).label} | " + " | ".join(values) + " |", flush=True)


def measured(chi_path: Path, mask_path: Path, name: str, field: str, threads: int) -> dict[str, float]:
    torch.set_num_threads(threads)
    volume = read_volume(chi_path)
    mask = read_mask(mask_path, like=volume)
    grid = Grid.from_affine(mask.shape, volume.affine, (0.0, 0.0, 1.0))
    chi = volume.data * mask
    scan = scan_of(chi, mask, grid, field)
    method = build(name)
    middle = tuple(slice(n // 2 - 12, n // 2 + 12) for n in grid.shape)
    method(crop_scan(replace(scan, mask=torch.ones_like(scan.mask)), middle))
    before = peak_memory(anew=True)
    wall, cpu = time.perf_counter(), time.process_time()
    found = method(scan)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    more = peak_memory() - before
    rmse = score(found.numpy(), chi, scan.mask.numpy(), grid.voxel_size, ("rmse",))["rmse"]
    return {"rmse": rmse, "cpu": cpu, "wall": wall, "gb": more / 1e9}


def peak_memory(anew: bool = False) -> int:
    """Bytes that this process had at most, on Linux; since now, if anew."""
    if anew:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(status.split("VmHWM:")[1].split(maxsplit=1)[0])


def scan_of(chi: np.ndarray, mask: np.ndarray, grid: Grid, field: str) -> Scan:
    if field == "measured-like":
        made = measured_like(chi, mask, grid, generator_for("inversions", 0))
        return Scan(torch.from_numpy(made.local_field), made.mask, grid, field_noise=made.field_noise)
    clean = forward_field(torch.from_numpy(chi), grid, padding=2)
    noise = 1e-3 * float(field.split(maxsplit=1)[0])
    white = generator_for("inversions").standard_normal(grid.shape, np.float32)
    return Scan(clean + noise * torch.from_numpy(white), mask, grid)


if __name__ == "__main__":
    main()
