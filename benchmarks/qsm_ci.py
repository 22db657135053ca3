"""Every method and background removal of ours through QSM-CI's own command: is the map, and is the score, ours?

    python benchmarks/qsm_ci.py FOLDER                 some five minutes of CPU; FOLDER takes the exported folders
    python benchmarks/qsm_ci.py FOLDER --only tkd lbv

Each is exported (`qsmbench export-qsmci`), run by `qsm-ci run --runner local` on the little scan of the contract's
checks, and compared with `qsmbench.reconstruct` and `qsmbench.remove_background` on the same files: the largest
difference between the maps, and QSM-CI's NRMSE of both. Slow methods take few iterations on both sides. Ends with 1
where one fails or a map is not the same bits.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import re
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

import qsmbench
from qsmbench.methods.checks import example, example_chi
from qsmbench.methods.registry import METHODS
from qsmbench.preparation.settings import BACKGROUNDS

QUICK = {"inr-qsm": {"epochs": 3}, "dip": {"max_iterations": 3, "channels": 2}}


def main() -> int:
    """Run all; print a table; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", metavar="METHOD", help="these alone")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    files, b0_dir = written(folder)
    print("| method | stage | largest difference | NRMSE by QSM-CI | of ours by us |\n|---|---|---|---|---|")
    wrong = []
    for name in arguments.only or [name for name in (*METHODS, *BACKGROUNDS) if name != "command"]:
        entry = METHODS.get(name)
        if entry is not None and entry.needs_weights and entry.shipped_weights is None:
            print(f"| {name} | dipole | its weights do not come with the package | | |", flush=True)
            continue
        stage = "bfr" if entry is None else "dipole"
        said = compared(folder, name, stage, files, b0_dir)
        if not said.startswith("0 |"):
            wrong.append(name)
        print(f"| {name} | {stage} | {said} |", flush=True)
    print(f"\nNot the same: {', '.join(wrong) or 'none'}")
    return 1 if wrong else 0


def written(folder: Path) -> tuple[dict[str, Path], tuple[float, ...]]:
    """Write the little scan and its truth; return their paths and the direction of B0."""
    scan = example()
    local, mask = scan.local_field.numpy(), scan.mask.numpy()
    # The field of sources outside: harmonic within.
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in mask.shape], indexing="ij")
    total = local + 0.1 * x + 0.05 * (z**2 - y**2)
    volumes = {"localfield": local, "totalfield": total * mask, "mask": mask, "chi": example_chi()}
    paths = {name: folder / f"{name}.nii.gz" for name in volumes}
    for name, volume in volumes.items():
        nib.save(nib.Nifti1Image(volume.astype(np.float32), scan.grid.matrix), paths[name])
    return paths, scan.grid.b0_dir


def compared(folder: Path, name: str, stage: str, files: dict[str, Path], b0_dir: tuple[float, ...]) -> str:
    """Export, run there and here; return the cells of the table."""
    options = QUICK.get(name, {})
    made, out = folder / f"qsmbench-{name}", folder / f"{name}.nii.gz"
    if not made.exists():
        words = [f"--option={key}={value}" for key, value in options.items()]
        command = [sys.executable, "-m", "qsmbench.cli.main", "export-qsmci", name, *words, "--out-dir", str(folder)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    field, truth = ("localfield", "chi") if stage == "dipole" else ("totalfield", "localfield")
    command = [str(Path(sys.executable).parent / "qsm-ci"), "run", str(made), "--runner", "local"]
    command += [f"--{field}", str(files[field]), "--mask", str(files["mask"]), "--truth", str(files[truth])]
    command += ["--b0-dir", *map(str, b0_dir), "--out", str(out)]
    told = {**os.environ, "QSMBENCH_PYTHON": sys.executable}
    done = subprocess.run(command, capture_output=True, text=True, env=told, check=False)
    if done.returncode != 0:
        return "failed: " + " ".join((done.stdout + done.stderr).split())[-200:].replace("|", "/") + " | |"
    theirs = nib.load(out).get_fdata(dtype=np.float32)
    ours = map_of_ours(name, stage, files, b0_dir, options)
    found = re.search(r"^  nrmse +(-?[0-9.]+)$", done.stdout, re.MULTILINE)
    return f"{np.abs(theirs - ours).max():g} | {found[1] if found else '-'} | {score(ours, files, truth):.2f}"


def map_of_ours(
    name: str, stage: str, files: dict[str, Path], b0_dir: tuple[float, ...], options: dict[str, int]
) -> NDArray[np.float32]:
    """Return what the Python face makes of the same files."""
    if stage == "bfr":
        return qsmbench.remove_background(files["totalfield"], files["mask"], name, b0_dir=b0_dir)[0]
    # `qsm-ci run` says 3 T where nobody does.
    scan = qsmbench.load_scan(files["localfield"], files["mask"], b0_dir=b0_dir, b0=3.0)
    return qsmbench.reconstruct(name, scan, **options).chi


def score(ours: NDArray[np.float32], files: dict[str, Path], truth: str) -> float:
    """Return the NRMSE, demeaned, percent, that QSM-CI calls nrmse."""
    reference = nib.load(files[truth]).get_fdata(dtype=np.float32)
    mask = nib.load(files["mask"]).get_fdata() > 0
    size = nib.load(files[truth]).header.get_zooms()
    return qsmbench.score(ours, reference, mask, voxel_size=size, metrics=["nrmse_demeaned"])["nrmse_demeaned"]


if __name__ == "__main__":
    sys.exit(main())
