"""How far one thread and two are apart, for every method: what docs/reproducibility.md states.

    python benchmarks/threads.py RESULTS SET     a results folder and one of its synthetic test sets

The first sample of the set is reconstructed with every method that the folder's configuration names.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from qsmbench.config.load import read_config
from qsmbench.data.store import StoredSet
from qsmbench.methods.registry import build


def main(results: Path, set_name: str) -> None:
    config = read_config(results / "provenance/config.json")
    scan = StoredSet(results / f"synthetic/{set_name}.zarr").scan(0)
    torch.set_deterministic_debug_mode("warn")
    print(f"{set_name}, {tuple(scan.mask.shape)}: difference between one thread and two")
    print("| method | norm of the difference over the norm of the map | largest difference, ppm |")
    print("|---|---:|---:|")
    for name, run in config.methods.items():
        weights = None if run.network is None else results / f"networks/{run.network}.pt"
        method = build(run.method or name, run.options, weights)
        maps = []
        for n in (1, 2):
            torch.set_num_threads(n)
            maps.append(method(scan).numpy().astype(np.float64))
        difference = maps[1] - maps[0]
        share = np.linalg.norm(difference) / np.linalg.norm(maps[0])
        text = "0, the same bits" if not difference.any() else f"{share:.1e}"
        print(f"| {name} | {text} | {np.abs(difference).max():.1e} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("set")
    given = parser.parse_args()
    main(given.results, given.set)
