"""`make release` on a throw-away clone: a line for each thing that is missing, and a tag where nothing is."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def git(folder, *words):
    identity = ["-c", "user.name=A tester", "-c", "user.email=tester@example.org"]
    command = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def release(folder, *words):
    command = [sys.executable, str(folder / "tools/release.py"), "--root", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def commit(folder):
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "A change")


def changed(path, pattern, by):
    text = path.read_text()
    assert re.search(pattern, text, re.MULTILINE), pattern
    path.write_text(re.sub(pattern, by, text, count=1, flags=re.MULTILINE))


@pytest.fixture
def clone(tmp_path):
    """A clone with what is not committed here yet, ready to be released."""
    folder = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    # The committer of the tag.
    git(folder, "config", "user.name", "A tester")
    git(folder, "config", "user.email", "tester@example.org")
    for name in git(ROOT, "ls-files", "--modified", "--others", "--exclude-standard").splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    changed(folder / "CHANGELOG.md", r"^## .*$", f"## {VERSION} (2026-12-01)")
    commit(folder)
    for tag in git(folder, "tag").split():
        git(folder, "tag", "--delete", tag)
    return folder


def test_what_is_ready_is_tagged_once(clone):
    done = release(clone, "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert git(clone, "tag") == ""
    done = release(clone)
    assert done.returncode == 0, done.stdout + done.stderr
    assert git(clone, "tag") == f"v{VERSION}"
    assert "doctor" in git(clone, "tag", "--list", "--format=%(contents)", f"v{VERSION}")
    again = release(clone)
    assert again.returncode == 1
    assert f"FAILED  tag: v{VERSION} is there already" in again.stdout


def test_everything_that_is_missing_is_named_and_nothing_is_tagged(clone):
    changed(clone / "CITATION.cff", r"^version: .*$", "version: 0.0.9")
    changed(clone / "CHANGELOG.md", r"^## .*$", f"## {VERSION} (unreleased)")
    changed(clone / "requirements.lock", r"^numpy==.*$", "numpy==1.26.0")
    changed(clone / "pyproject.toml", r'^"Snakefile" = .*$', "")
    done = release(clone)
    assert done.returncode == 1
    failed = dict(re.findall(r"^FAILED  (\S+): (.*)$", done.stdout, re.MULTILINE))
    assert set(failed) == {"CITATION.cff", "CHANGELOG.md", "lock", "wheel", "tree"}
    assert "0.0.9" in failed["CITATION.cff"]
    assert "unreleased" in failed["CHANGELOG.md"]
    assert "numpy" in failed["lock"]
    assert "Snakefile" in failed["wheel"]
    assert "CITATION.cff" in failed["tree"]
    assert git(clone, "tag") == ""


def test_a_version_that_is_none_or_has_no_section_is_refused(clone):
    changed(clone / "pyproject.toml", r"^version = .*$", 'version = "1.0"')
    done = release(clone, "--check")
    assert done.returncode == 1
    assert "FAILED  version: 1.0" in done.stdout
    assert "FAILED  CHANGELOG.md: there is no section ## 1.0" in done.stdout
