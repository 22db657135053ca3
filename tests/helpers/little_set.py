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


def write_config(root: Path, sets: dict[str, dict], source: dict | None = None, **more: object) -> Path:
    """The configuration of a run with these synthetic sets, beside its results folder ``root``."""
    config = {
        "seed": 7,
        "results": str(root),
        "source": source or {"kind": "phantom"},
        "synthetic": sets,
        "acquisitions": {"none": {"kind": "bids", "folder": "nowhere"}},
        "methods": {"tkd": {}},
        **more,
    }
    path = root.with_name(f"{root.name}.json")
    path.write_text(json.dumps(config))
    return path


def make_source(root: Path, spec: dict) -> Path:
    """Make the source's folder below ``root`` and return it."""
    assert main(["step", "source", str(write_config(root, {}, spec))]) == 0
    return root / "source"


def shard_arguments(folder: Path, shard: int, name: str = "set") -> list[str]:
    """The command that makes one shard of a set of ``folder``, whose configuration is written."""
    config = folder.with_name(f"{folder.name}.json")
    return ["step", "make-shard", str(config), "--set", name, "--shard", str(shard)]


def create(folder: Path, source: Path, spec: dict | None = None, name: str = "set") -> int:
    """Write configuration and metadata of a set of ``folder``."""
    config = write_config(folder, {name: spec or SPEC})
    folder.mkdir(exist_ok=True)
    if not (folder / "source").exists():
        (folder / "source").symlink_to(source)
    return main(["step", "create-set", str(config), "--set", name])


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
