"""Write requirements-hashed*.lock: the versions of requirements.lock with the SHA-256 of every file of theirs on PyPI.

    .venv/bin/python tools/write_hashes.py          (needs uv: pip install uv)

One list serves Python 3.11 to 3.14 on every system. The CUDA libraries, which PyPI's torch asks for on Linux, are a
file of their own, so that torch's CPU build can do without them (docs/installation.md).
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMMAND = (
    *("uv", "pip", "compile", "--universal", "--python-version", "3.11", "--extra", "dev", "--generate-hashes"),
    *("--constraint", "requirements.lock", "--no-config", "--no-header", "--no-annotate", "pyproject.toml"),
)
# What PyPI's torch asks for on Linux alone.
CUDA = re.compile(r"^[^\n]*sys_platform == 'linux'")
HEAD = "# Written by tools/write_hashes.py (`make lock`).\n# {}\n"
PLAIN = "pip install --require-hashes -r requirements-hashed.lock (Linux: see docs/installation.md)"
WITH = "pip install --require-hashes -r requirements-hashed.lock -r requirements-hashed-cuda.lock"


def main() -> int:
    """Ask uv, and write both files."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    if shutil.which("uv") is None:
        print("uv is missing: pip install uv", file=sys.stderr)
        return 2
    done = subprocess.run(COMMAND, cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        print(done.stderr, end="", file=sys.stderr)
        return 2
    entries = re.findall(r"^\S.*(?:\n .*)*\n", done.stdout, re.MULTILINE)
    bare = [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry]
    if not entries or bare:
        print(f"no hashes for {bare or 'anything'}", file=sys.stderr)
        return 2
    plain = [entry for entry in entries if not CUDA.match(entry)]
    cuda = [entry for entry in entries if CUDA.match(entry)]
    for name, how, kept in (("-hashed", PLAIN, plain), ("-hashed-cuda", WITH, cuda)):
        (ROOT / f"requirements{name}.lock").write_text(HEAD.format(how) + "".join(kept), encoding="utf-8")
        print(f"requirements{name}.lock: {len(kept)} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
