"""Check what a release needs, a line each, and tag it where all holds: `make release`, or with --check only the lines.

The version of pyproject.toml is released. Nothing is sent anywhere: `git push origin vVERSION` does that.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
# What the wheel must carry beside the code: the workflow, and one shipped network.
IN_WHEEL = ("qsmbench/workflow/Snakefile", "qsmbench/workflow/requirements.lock", "qsmbench/py.typed")


class NotReadyError(Exception):
    """A need that does not hold, in words."""


def main() -> int:
    """Check all, print a line each, tag; return 0 where all holds and 1 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="make no tag")
    parser.add_argument("--root", type=Path, default=ROOT, help="of the checkout (default: this one)")
    arguments = parser.parse_args()
    root = arguments.root.resolve()
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version, failed = project["version"], False
    for what, check in checks(root, project):
        try:
            print(f"ok      {what}{': ' + said if (said := check()) else ''}")
        except NotReadyError as fault:
            failed = True
            print(f"FAILED  {what}: {fault}")
    print("hint    that .ci/run passes on this commit is not looked at here: run it, or see the CI's page")
    if failed:
        print(f"{version} cannot be released")
        return 1
    if arguments.check:
        print(f"{version} can be released: make release")
        return 0
    git(root, "tag", "--annotate", f"v{version}", "--message", f"qsmbench {version}\n\n{section(root, version)}")
    print(f"v{version} is tagged, with its section of CHANGELOG.md; to send it: git push origin v{version}")
    return 0


def checks(root: Path, project: dict) -> Iterator[tuple[str, Callable[[], str]]]:
    """What is looked at, and how; each returns a word more, or raises NotReadyError."""
    version = project["version"]
    yield "version", lambda: is_version(version)
    yield "CITATION.cff", lambda: cited(root, version)
    yield "CHANGELOG.md", lambda: changed(root, version)
    yield "lock", lambda: locked(root, project)
    yield "wheel", lambda: built(root, version)
    yield "tree", lambda: clean(root)
    yield "tag", lambda: untagged(root, version)


def git(root: Path, *words: str) -> str:
    """Run git there; return what it says."""
    done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotReadyError(f"git {words[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def is_version(version: str) -> str:
    """Three numbers."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise NotReadyError(f"{version} in pyproject.toml is not three numbers")
    return version


def cited(root: Path, version: str) -> str:
    """The citation names the same version."""
    found = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))["version"]
    if str(found) != version:
        raise NotReadyError(f"it says {found}, pyproject.toml {version}")
    return ""


def section(root: Path, version: str) -> str:
    """The section of a version, below its heading."""
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(version)}\b[^\n]*\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise NotReadyError(f"there is no section ## {version}")
    return found.group(1).strip()


def changed(root: Path, version: str) -> str:
    """The changelog's first section is of the version, has a date and says something."""
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    if not section(root, version):
        raise NotReadyError(f"the section of {version} is empty")
    heading = re.search(r"^## (.*)$", text, re.MULTILINE)
    if not heading or not re.fullmatch(rf"{re.escape(version)} \(\d{{4}}-\d\d-\d\d\)", heading.group(1)):
        first = heading.group(1) if heading else ""
        raise NotReadyError(f"its first section is '{first}'; a release's is '{version} (YYYY-MM-DD)'")
    return heading.group(1)


def locked(root: Path, project: dict) -> str:
    """Every direct dependency is in the lock, at a version that pyproject.toml allows."""
    lines = (root / "requirements.lock").read_text(encoding="utf-8").split()
    lock = {canonical(name): pinned for name, pinned in (line.split("==") for line in lines)}
    texts = [*project["dependencies"], *(t for extra in project["optional-dependencies"].values() for t in extra)]
    wanted = [r for r in map(Requirement, texts) if r.name != project["name"]]
    for requirement in wanted:
        pinned = lock.get(canonical(requirement.name))
        if pinned is None or not requirement.specifier.contains(pinned):
            raise NotReadyError(f"{requirement} is not met by {pinned or 'anything'} there: make lock")
    return f"{len(lock)} packages"


def canonical(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def built(root: Path, version: str) -> str:
    """A wheel of the version is built, with the workflow in it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        wheels = list(Path(folder).glob(f"*-{version}-*.whl"))
        if done.returncode or not wheels:
            raise NotReadyError(f"it is not built: {(done.stderr.strip().splitlines() or ['no wheel'])[-1]}")
        names = set(zipfile.ZipFile(wheels[0]).namelist())
        if missing := [name for name in IN_WHEEL if name not in names]:
            raise NotReadyError(f"{missing[0]} is not in it")
        return f"{wheels[0].name}, {wheels[0].stat().st_size / 1e6:.1f} MB"


def clean(root: Path) -> str:
    """Everything is committed."""
    if left := git(root, "status", "--porcelain"):
        raise NotReadyError(f"not committed: {', '.join(line[3:] for line in left.splitlines()[:5])}")
    return git(root, "rev-parse", "--short", "HEAD")


def untagged(root: Path, version: str) -> str:
    """The version was not released yet."""
    if git(root, "tag", "--list", f"v{version}"):
        raise NotReadyError(f"v{version} is there already; a change needs another version")
    return f"v{version} is free"


if __name__ == "__main__":
    sys.exit(main())
