"""What commands cost from the shell, and the default run from nothing: start-up, parsing and imports included.

    python benchmarks/commands.py [--runs 5] [--results RESULTS]      CPU seconds of a process: least of the runs
    python benchmarks/commands.py --default-run FOLDER [--cores 2]    wall and CPU seconds of the default run, its
                                                                      steps by their own records; FOLDER must not exist

A command's CPU seconds are its own and its children's, as the system counts them, one thread; wall seconds want a quiet
machine. `reconstruct` inverts a field of 160 x 160 x 160 voxels. With --results the report of that folder is made again
beside it. The goals are those of the table in speed.md. Prints Markdown.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import nibabel as nib
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
SHAPE = (160, 160, 160)


def main() -> None:
    """Run the commands; print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--results", type=Path, help="a results folder whose report is made again")
    parser.add_argument("--default-run", type=Path, metavar="FOLDER", help="a folder that is made")
    parser.add_argument("--cores", type=int, default=2)
    given = parser.parse_args()
    if given.default_run is not None:
        default_run(given.default_run.resolve(), given.cores)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_scan(folder)
        tkd = ["reconstruct", "tkd", "--local-field", "field.nii", "--mask", "mask.nii", "--out", "chi.nii"]
        commands = {
            "`qsmbench --help`": [BIN / "qsmbench", "--help"],
            "`qsmbench methods`": [BIN / "qsmbench", "methods"],
            "`qsmbench config check` of the default": [BIN / "qsmbench", "config", "check", ROOT / "config.yaml"],
            "`qsmbench reconstruct tkd`, 160 x 160 x 160": [BIN / "qsmbench", *tkd],
            "dry run of `configs/paper.yaml`": [
                *(BIN / "snakemake", "-n", "--quiet", "-s", ROOT / "Snakefile"),
                *("--configfile", ROOT / "configs/paper.yaml"),
            ],
        }
        if given.results is not None:
            report = ["report", given.results.resolve(), "--out-dir", "report"]
            commands["`qsmbench report` of the given results"] = [BIN / "qsmbench", *report]
        print("| command | CPU s | wall s | peak GB |\n|---|---|---|---|")
        for label, command in commands.items():
            runs = [spent([str(part) for part in command], folder) for _ in range(given.runs)]
            print(
                f"| {label} | {min(r[0] for r in runs):.2f} | {min(r[1] for r in runs):.2f} | {runs[0][2]:.2f} |",
                flush=True,
            )


def write_scan(folder: Path) -> None:
    """A field of 160 x 160 x 160 voxels in an ellipsoid."""
    rng = np.random.default_rng(1)
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    mask = sum((a / 0.8) ** 2 for a in axes) < 1
    for name, volume in (("field", rng.normal(0, 0.02, SHAPE) * mask), ("mask", mask)):
        nib.Nifti1Image(volume.astype(np.float32), np.eye(4)).to_filename(folder / f"{name}.nii")
    (folder / "field.json").write_text('{"Units": "ppm", "B0_dir": [0, 0, 1]}', encoding="utf-8")


def spent(command: list[str], folder: Path) -> tuple[float, float, float]:
    """CPU and wall seconds and the peak of memory in GB of one command, its children included.

    Raises:
        SystemExit: it failed.
    """
    start = time.perf_counter()
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=said, stderr=subprocess.STDOUT
        )
        _, status, used = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(command)} failed: {(folder / 'said').read_text(errors='replace')[-2000:]}")
    return used.ru_utime + used.ru_stime, time.perf_counter() - start, used.ru_maxrss / 1e6


def default_run(folder: Path, cores: int) -> None:
    """Run the default configuration in a new folder; print its time, and that of its steps."""
    folder.mkdir()
    cpu, wall, _ = spent([str(BIN / "qsmbench"), "run", str(ROOT / "config.yaml"), "--cores", str(cores)], folder)
    print(f"default run, {cores} cores: {wall / 60:.1f} min of wall time, {cpu / 60:.1f} min of CPU\n")
    steps: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
    for path in sorted((folder / "results/benchmarks").rglob("*.tsv")):
        with path.open(encoding="utf-8") as file:
            row = next(csv.DictReader(file, delimiter="\t"))
        step = steps[path.relative_to(folder / "results/benchmarks").parts[0].removesuffix(".tsv")]
        # A job that ends between two looks of Snakemake has no CPU time.
        seconds = 0.0 if row["cpu_time"] in ("-", "NA") else float(row["cpu_time"])
        step[:] = step[0] + 1, step[1] + seconds, step[2] + float(row["s"])
    print("| rule | jobs | CPU s | wall s |\n|---|---|---|---|")
    for rule, (n, seconds, walls) in sorted(steps.items(), key=lambda item: -item[1][1]):
        print(f"| {rule} | {n} | {seconds:.0f} | {walls:.0f} |")


if __name__ == "__main__":
    main()
