"""Methods of others that work: a package of `qsmbench new-method`, and a folder of `qsm-ci new` filled with a TKD."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from qsmbench.cli.main import main

SRC = Path(__file__).parents[2] / "src"

THEIR_TKD = """
import json, sys
import nibabel, numpy as np
inp, out = sys.argv[1:3]
image = nibabel.load(f"{inp}/localfield.nii.gz")
mask = nibabel.load(f"{inp}/mask.nii.gz").get_fdata() > 0
params = json.load(open(f"{inp}/params.json"))
try:
    threshold = json.load(open(f"{inp}/config.json"))["threshold"]
except FileNotFoundError:
    threshold = 0.2
field = image.get_fdata()
k = np.meshgrid(*(np.fft.fftfreq(n, v) for n, v in zip(field.shape, params["voxel_size"])), indexing="ij")
along = sum(a * b for a, b in zip(k, params["B0_dir"]))
square = sum(a * a for a in k)
square[0, 0, 0] = 1
kernel = 1 / 3 - along**2 / square
kernel[0, 0, 0] = 0
inverse = np.sign(kernel) / np.maximum(abs(kernel), threshold)
chi = np.fft.ifftn(np.fft.fftn(field) * inverse).real * mask
nibabel.save(nibabel.Nifti1Image(chi.astype(np.float32), image.affine), f"{out}/chimap.nii.gz")
"""


def their_qsm(parent: Path) -> Path:
    """Make the folder `their-qsm` in ``parent``."""
    qsm_ci = shutil.which("qsm-ci", path=Path(sys.executable).parent)
    command = [qsm_ci, "new", "--stage", "dipole", "--name", "Their QSM", "--slug", "their-qsm", "--lang", "python"]
    subprocess.run([*command, "--dir", str(parent), "--force"], check=True, capture_output=True)
    made = parent / "their-qsm"
    (made / "recon.py").write_text(THEIR_TKD)
    with (made / "algorithm.yml").open("a") as file:
        file.write("parameters:\n  - {name: threshold, default: 0.2}\n")
    return made


def installed_method(parent: Path) -> str:
    """Write and install the package `my-own-qsm` below ``parent``; return the PYTHONPATH that has it and qsmbench."""
    assert main(["new-method", "my-own-qsm", "--out-dir", str(parent)]) == 0
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target"]
    subprocess.run([*pip, str(parent / "site"), str(parent / "my-own-qsm")], check=True, capture_output=True)
    return os.pathsep.join([str(parent / "site"), str(SRC)])
