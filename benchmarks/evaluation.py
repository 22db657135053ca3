"""How long, and in how much memory, does one method's evaluation of a paper-sized test set take?

    python benchmarks/evaluation.py FOLDER [N_SAMPLES]

Makes a set of N_SAMPLES (100) volumes of 256x256x64 with labels and one method's maps in FOLDER (about 2.5 GB for 100),
then scores them with every metric, as the rule does, and prints wall and processor time and the largest resident memory
of the process after 5 samples and at the end: bounded memory means that the two agree.
"""

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from qsmbench.benchmark import evaluation
from qsmbench.core.grid import Grid
from qsmbench.data.layout import RunLayout
from qsmbench.data.store import StoredSample, create_store, write_shard
from qsmbench.metrics.registry import METRICS, score_case
from qsmbench.physics.dipole import forward_field
from qsmbench.sets.samples import SyntheticSet
from qsmbench.sets.zarr_maps import create_maps, create_volumes, write_map

SHAPE = (256, 256, 64)
VOXEL_SIZE, B0_DIR = (0.7639, 0.7639, 3.0), (0.0, 0.0, 1.0)
NAMES = {1: "grey_matter", 2: "white_matter", 3: "vein", 4: "caudate_left", 5: "pallidum_left", 9: "calcification"}


def peak() -> float:
    """Largest resident memory so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def make(layout: RunLayout, n: int) -> None:
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
    create_store(layout.store("set"), SHAPE, n, 1, {})
    tissues = create_volumes(layout.labels("set"), "labels", n, SHAPE, "int16", long_name="labels", units="1")
    create_maps(layout.maps("set", "method"), n, SHAPE, {})
    rows, made = [], []
    for i in range(n):
        noise = mask * rng.normal(scale=0.02, size=SHAPE)
        content = write_shard(layout.store("set"), i, [StoredSample(chi, field, mask, VOXEL_SIZE, B0_DIR)])
        tissues[i] = labels
        write_map(layout.maps("set", "method"), i, (0.9 * chi + noise).astype(np.float32))
        rows.append({"sample": i, "parameters": {}, "sha256": content[0]})
        made.append({"scan": f"{i:05d}", "status": "ok", "message": "", "sha256": str(i)})
    about = {"method": "none", "options": {}, "weights_sha256": "", "scans": made}
    layout.map_status("set", "method").write_text(json.dumps(about))
    layout.drawn("set").mkdir()
    layout.shard_hashes("set", 0).write_text(json.dumps({"seed": 1, "samples": rows}))
    layout.label_names("set").write_text(json.dumps(NAMES))


def main() -> None:
    """Make the set where it is not there, score it, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("samples", type=int, nargs="?", default=100, help="default: %(default)s")
    given = parser.parse_args()
    layout, n = RunLayout(given.folder), given.samples
    torch.set_num_threads(1)
    if not layout.label_names("set").is_file():
        make(layout, n)
    sizes: list[float] = []

    def watched(case: object, names: object) -> object:
        scores = score_case(case, names)  # type: ignore[arg-type]
        sizes.append(peak())
        return scores

    evaluation.score_case = watched  # type: ignore[assignment]
    started, cpu = time.perf_counter(), time.process_time()
    spec = SyntheticSet.model_validate(
        {"role": "test", "n_samples": n, "samples_per_shard": 1, "recipe": {"shape": SHAPE}}
    )
    evaluation.evaluate(
        spec.open(layout, "set"), "method", maps=layout.maps("set", "method"),
        status=layout.map_status("set", "method"), metrics=[], seed=1, out=layout.scores("set", f"method-{n}"),
    )  # fmt: skip
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(f"{n} samples of {' x '.join(map(str, SHAPE))}, {len(METRICS)} metrics, one thread")
    print(f"wall {wall:.0f} s ({wall / n:.2f} s a sample), processor {cpu:.0f} s")
    print(f"largest resident memory: {sizes[min(4, n - 1)]:.0f} MB after 5 samples, {sizes[-1]:.0f} MB after {n}")


if __name__ == "__main__":
    main()
