"""Imports point one way, and the pinned environments agree with each other."""

import ast
import re
import tomllib
from importlib.metadata import requires, version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "qsmbench"

# What each folder may import of the others (docs/architecture.md draws it).
ALLOWED = {
    "core": set(),
    "physics": {"core"},
    "data": {"core"},
    "metrics": {"core", "physics"},
    "provenance": {"core", "data"},
    "simulation": {"core", "physics"},
    "preparation": {"core", "physics", "data", "provenance"},
    "config": {"core", "simulation", "preparation"},
    "networks": {"core", "data"},
    "methods": {"core", "physics", "networks"},
    "training": {"core", "physics", "data", "metrics", "networks", "config"},
    "report": {"core", "data", "metrics"},
}
ALLOWED["benchmark"] = set(ALLOWED)
ALLOWED["audit"] = {*ALLOWED, "benchmark"}
ALLOWED["cli"] = {*ALLOWED, "audit"}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    folder = path.relative_to(PACKAGE).parts[0]
    for name in imported(path):
        parts = name.split(".")
        assert parts[0] != "snakemake", "the package does not know the workflow"
        if parts[0] == "qsmbench" and len(parts) > 1 and path.parent != PACKAGE and parts[1] != folder:
            assert parts[1] in ALLOWED[folder], f"{folder} must not import {name}"


def lock():
    lines = (ROOT / "requirements.lock").read_text().split()
    return dict(re.match(r"([A-Za-z0-9._-]+)==(.+)", line).groups() for line in lines)


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_direct_dependency_is_locked_and_installed_at_that_version():
    locked = {canonical(name): pinned for name, pinned in lock().items()}
    for text in requires("qsmbench"):
        name = canonical(Requirement(text).name)
        assert name in locked, f"{name} is not in requirements.lock: run `make lock`"
        # A CUDA or CPU build adds a local part (2.13.0+cpu) to the version that the lock pins.
        assert version(name).split("+")[0] == locked[name]


def test_conda_environment_has_the_locks_versions():
    environment = yaml.safe_load((ROOT / "envs" / "qsmbench.yaml").read_text())
    pinned = dict(line.split("==") for line in environment["dependencies"][-1]["pip"])
    locked = {canonical(name): value for name, value in lock().items()}
    assert all(locked[canonical(name)] == value for name, value in pinned.items())
    with (ROOT / "pyproject.toml").open("rb") as file:
        direct = {canonical(Requirement(d).name) for d in tomllib.load(file)["project"]["dependencies"]}
    assert {canonical(name) for name in pinned} == direct
