"""Which code made a result."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Code:
    """The code that runs.

    Attributes:
        release: version of the installed package.
        commit: of the git checkout, empty outside one.
        dirty: whether the checkout has changes that are not committed; None outside one.
        source_sha256: SHA-256 over the names and contents of the package's files, with or without git.
    """

    release: str
    commit: str
    dirty: bool | None
    source_sha256: str


@cache
def code_version() -> str:
    """Return the package's version and, in a git checkout, its commit, marked where there are local changes."""
    release = version("qsmbench")
    root = PACKAGE.parents[1]
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


@cache
def code() -> Code:
    """Return what is known of the running code."""
    release, _, described = code_version().partition("+")
    commit = described.removesuffix("-dirty")
    return Code(release, commit, described.endswith("-dirty") if commit else None, source_sha256())


@cache
def source_sha256() -> str:
    """SHA-256 over the package's files, each by its path and content; caches of compiled code do not count."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*"), key=lambda p: p.relative_to(PACKAGE).as_posix()):
        if path.is_file() and "__pycache__" not in path.parts:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{content}  {path.relative_to(PACKAGE).as_posix()}\n".encode())
    return digest.hexdigest()
