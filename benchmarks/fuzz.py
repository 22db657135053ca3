"""Damage files for as long as told and read them: what is read, what is refused in one line, what fails otherwise.

    python benchmarks/fuzz.py FOLDER --minutes 60

The readers and the damage are those of tests/robustness, with other seeds in every round. What fails is printed with
its seed, which makes it again.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/helpers"))
from little_run import little_run
from mutations import commands, readers


def main() -> None:
    """Attack, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    results = little_run(folder)
    attacked = readers(folder, results) + commands(folder, results)
    counts = {reader.name: Counter({"read": 0, "refused": 0, "failed": 0}) for reader in attacked}
    end, seed = time.monotonic() + 60 * arguments.minutes, arguments.seed
    print(f"first seed: {seed}", flush=True)
    while time.monotonic() < end:
        for reader in attacked:
            # One case a call, so that what follows a failure is tried as well.
            for case in range(25):
                try:
                    counts[reader.name].update(reader.attack(1, seed + case))
                except AssertionError as error:
                    counts[reader.name]["failed"] += 1
                    print(f"FAILED {error}"[:500], flush=True)
        seed += 25
    print("\n| file | tried | read | refused in one line | failed |\n|---|---|---|---|---|")
    for name, found in counts.items():
        print(f"| {name} | {found.total()} | {found['read']} | {found['refused']} | {found['failed']} |")


if __name__ == "__main__":
    main()
