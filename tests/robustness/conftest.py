"""One little run for every test of this folder, and an eye on what is written where."""

import os
import sys
from pathlib import Path

import pytest
from little_run import little_run

_watched: list[set[str]] = []
_CHANGES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def _hook(event, arguments):
    # Python's own notes of what it compiled are no output.
    if not _watched or "__pycache__" in str(arguments[:2]):
        return
    if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        path, mode, flags = arguments
        if any(c in mode for c in "wax+") if isinstance(mode, str) else bool((flags or 0) & _CHANGES):
            _watched[-1].add(os.fsdecode(os.path.realpath(path)))
    elif event in {"os.rename", "os.mkdir", "os.symlink", "os.link"}:
        _watched[-1].add(os.fsdecode(os.path.realpath(arguments[0 if event == "os.mkdir" else 1])))
    elif event in {"subprocess.Popen", "os.system", "os.exec", "socket.connect"}:
        _watched[-1].add(f"{event} {arguments[0]}")


sys.addaudithook(_hook)


@pytest.fixture
def written():
    """What the test's process has written, made, executed or connected to so far: paths, and events by name."""
    found: set[str] = set()
    _watched.append(found)
    yield found
    _watched.remove(found)


@pytest.fixture(scope="session")
def results(tmp_path_factory) -> Path:
    """The results of a little run; tests that change something take a copy."""
    return little_run(tmp_path_factory.mktemp("little"))
