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


# A mean over some voxels taken off, on a mask without its rim: a background removal of five lines.
THEIR_REMOVAL = """
import sys
import nibabel, numpy as np
from scipy.ndimage import binary_erosion, gaussian_filter
inp, out = sys.argv[1:3]
image = nibabel.load(f"{inp}/totalfield.nii.gz")
mask = nibabel.load(f"{inp}/mask.nii.gz").get_fdata() > 0
total = image.get_fdata() * mask
smooth = gaussian_filter(total, 3) / np.maximum(gaussian_filter(mask.astype(float), 3), 1e-3)
local = (total - smooth) * binary_erosion(mask)
nibabel.save(nibabel.Nifti1Image(local.astype(np.float32), image.affine), f"{out}/localfield.nii.gz")
"""

# The phase that two echoes differ by as a field, its smooth part taken off, and that as chi (in shape, not in size).
THEIR_WHOLE = """
import json, sys
import nibabel, numpy as np
from scipy.ndimage import gaussian_filter
inp, out = sys.argv[1:3]
image = nibabel.load(f"{inp}/phase.nii.gz")
phase = image.get_fdata()
magnitude = nibabel.load(f"{inp}/magnitude.nii.gz").get_fdata()
mask = nibabel.load(f"{inp}/mask.nii.gz").get_fdata() > 0
params = json.load(open(f"{inp}/params.json"))
assert phase.shape == magnitude.shape == (*mask.shape, len(params["TE"]))
turned = np.angle(np.exp(1j * (phase[..., 1] - phase[..., 0])))
field = turned / (2 * np.pi * 42.577 * params["B0"] * (params["TE"][1] - params["TE"][0]))
chi = -3 * (field - gaussian_filter(field, 3)) * mask
nibabel.save(nibabel.Nifti1Image(chi.astype(np.float32), image.affine), f"{out}/chimap.nii.gz")
"""


def their_folder(parent: Path, slug: str, stage: str, code: str, parameters: str = "") -> Path:
    """Make a folder in ``parent`` by `qsm-ci new`, with ``code`` in place of its placeholder."""
    qsm_ci = shutil.which("qsm-ci", path=Path(sys.executable).parent)
    name = slug.replace("-", " ").title().replace("Qsm", "QSM")
    command = [qsm_ci, "new", "--stage", stage, "--name", name, "--slug", slug, "--lang", "python"]
    subprocess.run([*command, "--dir", str(parent), "--force"], check=True, capture_output=True)
    made = parent / slug
    (made / "recon.py").write_text(code)
    with (made / "algorithm.yml").open("a") as file:
        file.write(parameters)
    return made


def their_qsm(parent: Path) -> Path:
    """Make the folder `their-qsm` of the stage dipole in ``parent``."""
    return their_folder(parent, "their-qsm", "dipole", THEIR_TKD, "parameters:\n  - {name: threshold, default: 0.2}\n")


def installed_method(parent: Path) -> str:
    """Write and install the package `my-own-qsm` below ``parent``; return the PYTHONPATH that has it and qsmbench."""
    assert main(["new-method", "my-own-qsm", "--out-dir", str(parent)]) == 0
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target"]
    subprocess.run([*pip, str(parent / "site"), str(parent / "my-own-qsm")], check=True, capture_output=True)
    return os.pathsep.join([str(parent / "site"), str(SRC)])


# What a container sees, without one: mounted folders as they are on this machine, and its own place among them.
_STAND_IN = """#!{python}
import os, subprocess, sys
words = sys.argv[1:]
with open("{log}", "a") as file:
    print(*words, file=file)
if words[:2] == ["image", "inspect"]:
    print("sha256:" + 64 * "1", "ghcr.io/you/your-image@sha256:" + 64 * "2")
    sys.exit(0 if {known} else 1)
if words[0] not in ("run", "exec"):
    sys.exit(0)
mounted = {{}}
for flag, value in zip(words, words[1:]):
    if flag in ("--volume", "--bind"):
        there, inside, _ = value.rsplit(":", 2)
        mounted[inside] = there
    if flag == "--env":
        name, _, text = value.partition("=")
        os.environ[name] = text
os.environ["PATH"] = "{path}"
start = next(i for i, word in enumerate(words) if "your-image" in word) + 1
done = subprocess.run([*words[start:], mounted["/input"], mounted["/output"]], cwd=mounted["/algo"])
sys.exit(done.returncode)
"""


def stand_in(parent: Path, runner: str, *, known: bool = True) -> Path:
    """Make a `docker` or `apptainer` in ``parent``/bin that runs a folder on this machine as the runner is told to.

    Args:
        parent: holds the file `calls`, a line a call, too.
        runner: its name.
        known: whether `docker image inspect` knows the image.

    Returns:
        The folder to put on PATH.
    """
    tools = parent / "bin"
    tools.mkdir(exist_ok=True)
    path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin:/bin"])
    text = _STAND_IN.format(python=sys.executable, log=parent / "calls", known=known, path=path)
    (tools / runner).write_text(text)
    (tools / runner).chmod(0o755)
    return tools
