"""Make random samples of a stored set again and compare them with the store bit for bit. Prints Markdown.

Checked per sample: the stored int16 chi and local_field, the mask, voxel size, B0 direction, the drawn parameters and
the recorded SHA-256 of each variable. Exit status 1 where anything differs.
"""

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
import zarr

from qsmbench.benchmark.source import load_heads, read_about
from qsmbench.benchmark.synthesis import recipe_hash, sample_of
from qsmbench.data.store import attributes, encode
from qsmbench.sets.samples import SyntheticSet

VARIABLES = ("chi", "local_field", "mask", "voxel_size", "b0_dir")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path, help="Zarr folder, its .hashes folder beside it")
    parser.add_argument("--source-dir", type=Path, required=True, help="folder that `qsmbench source` wrote")
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the choice of samples")
    options = parser.parse_args()
    torch.set_num_threads(1)
    about, group = attributes(options.store), zarr.open_group(options.store, mode="r")
    n_samples = group["chi"].shape[0]
    fields = {"role": "train", "n_samples": n_samples, "samples_per_shard": 1, "recipe": about["recipe"]}
    spec = SyntheticSet.model_validate(fields)
    if recipe_hash(about["drawn_as"], spec, about["seed"], read_about(options.source_dir)) != about["recipe_hash"]:
        sys.exit("the source's folder is not the one that the set was made from")
    rows = [
        r for p in options.store.with_suffix(".hashes").glob("*.json") for r in json.loads(p.read_text())["samples"]
    ]
    records = {row["sample"]: row for row in rows}
    heads = load_heads(options.source_dir)
    chosen = np.sort(np.random.default_rng(options.seed).choice(n_samples, min(options.samples, n_samples), False))
    different: list[str] = []
    start = time.process_time()
    for number in chosen.tolist():
        sample = sample_of(heads, spec.recipe, seed=about["seed"], name=about["drawn_as"], number=number)
        again = {
            "chi": encode(sample.chi, "chi"),
            "local_field": encode(sample.local_field, "local_field"),
            "mask": sample.mask.astype(np.uint8),
            "voxel_size": np.array(sample.voxel_size),
            "b0_dir": np.array(sample.b0_dir),
        }
        for name in VARIABLES:
            content = np.ascontiguousarray(again[name]).tobytes()
            stored = np.ascontiguousarray(group[name][number]).tobytes()
            recorded = records[number]["sha256"][name]
            if content != stored or hashlib.sha256(content).hexdigest() != recorded:
                different.append(f"{name} of sample {number}")
        if json.loads(json.dumps(sample.parameters)) != records[number]["parameters"]:
            different.append(f"parameters of sample {number}")
    cost = time.process_time() - start
    print(f"{len(chosen)} of {n_samples} samples made again in {cost:.0f} s of CPU: ", end="")
    print("all bits equal." if not different else f"{len(different)} differences: {', '.join(different[:5])}")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
