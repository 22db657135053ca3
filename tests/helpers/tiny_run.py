"""The workflow on a configuration of seconds: what it is, and how to run it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from qsmbench.data.nifti import write_volume

ROOT = Path(__file__).parents[2]


def write_head(path: Path, shape: tuple[int, int, int], edge: float) -> None:
    """A smooth random chi of 0.05 ppm in an ellipsoid, voxels of ``edge`` mm."""
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    mask = sum((a / 0.85) ** 2 for a in axes) < 1
    chi = gaussian_filter(np.random.default_rng(1).standard_normal(shape), 1.5)
    chi = np.where(mask, 0.05 * chi / chi.std(), 0).astype(np.float32)
    write_volume(path, chi, np.diag([edge, edge, edge, 1.0]))


def tiny(folder: Path) -> dict:
    """A configuration of seconds on a little head made in the test."""
    write_head(folder / "head.nii.gz", (44, 52, 40), 3.0)
    recipe = {"shape": [24, 24, 16], "voxel_size": {"min": [3.0, 3.0, 4.0], "max": [4.0, 4.0, 6.0]}}
    return {
        "source": {"kind": "nifti", "chi": "head.nii.gz"},
        "synthetic": {
            "train": {"role": "train", "n_samples": 6, "samples_per_shard": 3, "recipe": recipe},
            "tune": {"role": "tune", "n_samples": 1, "samples_per_shard": 1, "recipe": recipe},
            "test": {"role": "test", "n_samples": 3, "samples_per_shard": 2, "recipe": recipe},
        },
        "networks": {
            "net": {
                "train_set": "train", "channels": 4, "levels": 2, "hidden": [4, 2], "steps": 6, "batch_size": 2,
                "validation_steps": 3, "checkpoint_steps": 3,
            }
        },
        "acquisitions": {
            "scans": {
                "kind": "simulated", "protocol": "research", "subjects": ["oblique"], "scale": [7, 7, 3],
                "source": {"kind": "nifti", "chi": "head.nii.gz"},
                "preparation": {"mask": {"method": "threshold"}, "background": {"kind": "resharp", "radius": 9}},
            }
        },
        "methods": {
            "tkd": {},
            "tkd-tuned": {"method": "tkd", "tuning": {"set": "tune", "grid": {"threshold": [0.05, 0.15, 0.3]}}},
            "l2": {},
            "meta": {"method": "meta-qsm", "network": "net"},
        },
        "report": {
            "subjects_shown": 1,
            "baseline": "l2",
            "tables": {
                "table-1": {"title": "Table 1", "sets": ["test"], "methods": ["tkd", "meta"], "metrics": ["rmse"]}
            },
        },
    }  # fmt: skip


def snakemake(folder: Path, *arguments: str, config: str = "tiny.yaml") -> subprocess.CompletedProcess[str]:
    command = [
        *(str(Path(sys.executable).parent / "snakemake"), "--snakefile", str(ROOT / "Snakefile")),
        *("--directory", str(folder), "--configfile", str(folder / config), *arguments),
    ]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_XDIST")}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def run(folder: Path, *arguments: str) -> str:
    done = snakemake(folder, *arguments)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stderr


def planned(folder: Path) -> dict[str, int]:
    """How many jobs of each rule a dry run would start."""
    done = snakemake(folder, "--cores", "2", "--dry-run", "--quiet", "host")
    assert done.returncode == 0, done.stderr[-4000:]
    lines = (done.stdout + done.stderr).splitlines()
    if any("Nothing to be done" in line for line in lines):
        return {}
    # The statistics stand twice, before and after the jobs; each line is a rule's name and its number of jobs.
    pairs = [line.split() for line in lines]
    return {
        p[0]: int(p[1])
        for p in pairs
        if len(p) == 2 and p[0].isidentifier() and p[1].isdigit() and p[0] not in ("total", "all")
    }
