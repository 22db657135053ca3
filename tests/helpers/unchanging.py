"""What of a results folder every run of the same configuration must make to the byte."""

import hashlib
from fnmatch import fnmatch
from pathlib import Path

# Times, hosts and what says them or their hashes (docs/reproducibility.md).
DIFFERS = (
    *("benchmarks/*", "timings/*", "provenance/*", "logs/*", "report/runtime.*", "report/index.html", "methods.md"),
    *("ro-crate-metadata.json", "manifest-sha256.txt", "*.lock", "*.snakemake_timestamp"),
)


def contents(results: Path) -> dict[str, str]:
    """SHA-256 of every file that a run must make again to the byte."""
    found = {}
    for path in sorted(p for p in results.rglob("*") if p.is_file()):
        name = path.relative_to(results).as_posix()
        if not any(fnmatch(name, pattern) or fnmatch(path.name, pattern) for pattern in DIFFERS):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
