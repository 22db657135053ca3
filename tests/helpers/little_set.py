"""A little head and a set of samples that take milliseconds, made by the real commands."""

import json
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from qsmbench.cli.main import main
from qsmbench.data.nifti import write_volume

RECIPE = {"shape": [24, 24, 16], "voxel_size": {"min": [3.0, 3.0, 4.0], "max": [4.0, 4.0, 6.0]}}
SPEC = {"role": "train", "n_samples": 14, "samples_per_shard": 5, "recipe": RECIPE}
N_SHARDS = 3


def write_head(path: Path, seed: int, shape: tuple[int, int, int] = (40, 48, 36)) -> Path:
    """An egg of 3 mm voxels with texture."""
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    mask = sum((a / 0.85) ** 2 for a in axes) < 1
    chi = gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 1.5)
    write_volume(path, np.where(mask, 0.05 * chi / chi.std(), 0).astype(np.float32), np.diag([3.0, 3.0, 3.0, 1.0]))
    return path


def shard_arguments(folder: Path, source: Path, shard: int) -> list[str]:
    """The command that makes one shard of ``folder``/set.zarr."""
    return [
        *("make-shard", "--source-dir", str(source), "--name", "set", "--spec", json.dumps(SPEC), "--seed", "7"),
        *("--shard", str(shard), "--store", str(folder / "set.zarr")),
        *("--hashes", str(folder / "set.hashes" / f"{shard}.json")),
    ]


def create(folder: Path, source: Path, spec: dict | None = None) -> int:
    """Write the metadata of ``folder``/set.zarr."""
    text, store = json.dumps(spec or SPEC), str(folder / "set.zarr")
    arguments = ["--name", "set", "--spec", text, "--seed", "7", "--source-dir", str(source), "--store", store]
    return main(["create-set", *arguments])


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
