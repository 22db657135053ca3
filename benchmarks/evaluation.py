"""How long, and in how much memory, does one method's evaluation of a paper-sized test set take?

    python benchmarks/evaluation.py FOLDER [N_SAMPLES]

Makes a set of N_SAMPLES (100) volumes of 256x256x64 with labels and one method's maps in FOLDER (about 2.5 GB for 100),
then scores them with every metric, as the rule does, and prints wall and processor time and the largest resident memory
of the process after 5 samples and at the end: bounded memory means that the two agree.
"""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch
import zarr
from scipy.ndimage import gaussian_filter

from qsmbench.benchmark import evaluation
from qsmbench.benchmark.evaluation import config_hash, evaluate_set
from qsmbench.core.grid import Grid
from qsmbench.data.store import Sample, create_store, write_shard
from qsmbench.metrics.registry import METRICS, score_case
from qsmbench.physics.dipole import forward_field

SHAPE = (256, 256, 64)
VOXEL_SIZE, B0_DIR = (0.7639, 0.7639, 3.0), (0.0, 0.0, 1.0)
NAMES = {1: "grey_matter", 2: "white_matter", 3: "vein", 4: "caudate_left", 5: "pallidum_left", 9: "calcification"}


def peak() -> float:
    """Largest resident memory so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def make(folder: Path, n: int) -> None:
    """Write the set, its labels and the maps; samples are shifted copies of one head with noise of their own."""
    rng = np.random.default_rng(1)
    axes = np.meshgrid(*[np.linspace(-1, 1, k) for k in SHAPE], indexing="ij")
    mask = sum((a / 0.85) ** 2 for a in axes) < 1
    labels = np.where(mask, 1 + (gaussian_filter(rng.standard_normal(SHAPE), 3) > 0), 0).astype(np.int16)
    labels[60:64, 80:160, 30] = 3
    labels[100:116, 100:120, 26:34] = 4
    labels[140:152, 100:120, 26:34] = 5
    labels[120:128, 160:168, 30:33] = 9
    values = np.array([0, 0.02, -0.03, 0.3, 0.05, 0.13, 0, 0, 0, -0.9])
    chi = np.where(mask, values[labels] + rng.normal(scale=0.005, size=SHAPE), 0)
    field = forward_field(torch.from_numpy(chi), Grid(SHAPE, VOXEL_SIZE, B0_DIR)).numpy() * mask
    create_store(folder / "set.zarr", SHAPE, n, 1, {})
    tissues = zarr.create_array(
        folder / "labels.zarr", name="labels", shape=(n, *SHAPE), dtype="int16", chunks=(1, *SHAPE), zarr_format=3,
        dimension_names=("sample", "x", "y", "z"),
    )  # fmt: skip
    maps = zarr.create_array(
        folder / "maps.zarr", name="chi", shape=(n, *SHAPE), dtype="float32", chunks=(1, *SHAPE), zarr_format=3,
        dimension_names=("sample", "x", "y", "z"),
    )  # fmt: skip
    rows, made = [], []
    for i in range(n):
        noise = mask * rng.normal(scale=0.02, size=SHAPE)
        content = write_shard(folder / "set.zarr", i, [Sample(chi, field, mask, VOXEL_SIZE, B0_DIR)])
        tissues[i] = labels
        maps[i] = (0.9 * chi + noise).astype(np.float32)
        rows.append({"sample": i, "parameters": {}, "sha256": content[0]})
        made.append({"sample": i, "status": "ok", "message": "", "sha256": str(i)})
    about = {"method": "none", "options": {}, "weights_sha256": "", "samples": made}
    (folder / "maps.json").write_text(json.dumps(about))
    (folder / "hashes.json").write_text(json.dumps({"seed": 1, "samples": rows}))
    (folder / "labels.json").write_text(json.dumps(NAMES))


def main() -> None:
    """Make the set where it is not there, score it, print."""
    folder, n = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 100
    torch.set_num_threads(1)
    if not (folder / "labels.json").is_file():
        make(folder, n)
    sizes: list[float] = []

    def watched(case: object, names: object) -> object:
        scores = score_case(case, names)  # type: ignore[arg-type]
        sizes.append(peak())
        return scores

    evaluation.score_case = watched  # type: ignore[assignment]
    started, cpu = time.perf_counter(), time.process_time()
    evaluate_set(
        set_name="set", run_name="method", store=folder / "set.zarr", reconstruction=folder / "maps.zarr",
        status=folder / "maps.json", hashes=[folder / "hashes.json"], metrics=list(METRICS),
        out=folder / f"scores-{config_hash(n)[:6]}.parquet", labels=folder / "labels.zarr",
        label_names=folder / "labels.json",
    )  # fmt: skip
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(f"{n} samples of {' x '.join(map(str, SHAPE))}, {len(METRICS)} metrics, one thread")
    print(f"wall {wall:.0f} s ({wall / n:.2f} s a sample), processor {cpu:.0f} s")
    print(f"largest resident memory: {sizes[min(4, n - 1)]:.0f} MB after 5 samples, {sizes[-1]:.0f} MB after {n}")


if __name__ == "__main__":
    main()
