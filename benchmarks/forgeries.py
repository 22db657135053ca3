"""Tamper with a run at random, forge it consistently in twenty ways, and count what the audit finds.

    python benchmarks/forgeries.py FOLDER --tamperings 150

FOLDER takes the run (made here, in this process, in seconds) and its copies. A tampering changes something at a random
level, from the file alone to its lines in manifest, crate and its maker's record; it is found where a finding names it.
A forgery is consistent throughout; the default audit (random seeds, several of them) finds what does not come out again
or contradicts the configuration, and `--digest` the rest.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/helpers"))
from forger import FORGERIES, forged
from little_run import little_run
from tampering import WAYS, linked_copy, tamper

from qsmbench.audit.audit import Options, audit

LOOK_ONLY = Options(recompute=0, threads=1)


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tamperings", type=int, default=150)
    parser.add_argument("--audits", type=int, default=5, help="of each forgery, each with another seed")
    parser.add_argument("--results", type=Path, help="of a whole run, for tamperings; default: a little one made here")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    results = little_run(folder)
    head = folder / "head.nii.gz"
    tampered(arguments.results or results, folder / "copy", arguments.tamperings)
    sound = audit(results, Options(recompute=1, source=(head,), threads=1))
    print(f"\nUntouched: {'passed' if sound.passed else sound.findings}\n")
    print("| forgery | found | with the digest |\n|---|---|---|")
    rng = np.random.default_rng(20)
    for kind in FORGERIES:
        copy = linked_copy(results, folder / "copy")
        forged(copy, kind)
        seeds = [int(s) for s in rng.integers(2**31, size=arguments.audits)]
        found = [not audit(copy, Options(seed=seed, source=(head,), threads=1)).passed for seed in seeds]
        by_digest = not audit(copy, Options(recompute=0, digest=sound.digest, threads=1)).passed
        print(f"| {kind} | {sum(found)} of {len(found)} audits | {'found' if by_digest else 'NOT FOUND'} |", flush=True)
        shutil.rmtree(copy)


def tampered(results: Path, copy: Path, n: int) -> None:
    """Tamper ``n`` times; print how many were found, by level."""
    found: Counter[int] = Counter()
    tried: Counter[int] = Counter()
    ways = list(WAYS)
    for number in range(10 * n):
        if tried.total() == n:
            break
        folder, way = linked_copy(results, copy), ways[number % len(ways)]
        try:
            level, names = tamper(folder, np.random.default_rng([24, number]), way)
        except (AssertionError, FileNotFoundError, KeyError, ValueError):
            # This run has nothing of the kind.
            shutil.rmtree(folder)
            continue
        tried[level] += 1
        where = [f"{f.where}: {f.text}" for f in audit(folder, LOOK_ONLY).findings]
        if any(name in place for name in names for place in where):
            found[level] += 1
        else:
            print(f"not found: {number} {way.__name__}, level {level}, {names}, {where[:3]}", flush=True)
        shutil.rmtree(folder)
    levels = "; ".join(f"level {level}: {found[level]} of {tried[level]}" for level in sorted(tried))
    print(f"{found.total()} of {tried.total()} tamperings found and named ({levels})", flush=True)


if __name__ == "__main__":
    main()
