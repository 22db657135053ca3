"""Which code made a result."""

from __future__ import annotations

import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path


@cache
def code_version() -> str:
    """Return the package's version and, in a git checkout, its commit, marked where there are local changes."""
    release = version("qsmbench")
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return release
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    # Without git, or in a checkout that another user owns, the release is what is known.
    return f"{release}+{described.stdout.strip()}" if described.returncode == 0 else release
