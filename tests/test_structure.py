"""Imports point one way, and the pinned environments agree with each other."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distributions, metadata, version
from pathlib import Path

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from qsmbench.benchmark.steps.registry import STEPS

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
    "preparation": {"core", "physics", "data", "foreign", "provenance"},
    "heads": {"core", "data", "simulation"},
    "sets": {"core", "data", "heads", "preparation", "provenance", "simulation"},
    "config": {"core", "heads", "networks", "sets"},
    "networks": {"core", "data"},
    "foreign": {"core", "data"},
    "methods": {"core", "physics", "networks", "foreign"},
    "training": {"core", "physics", "data", "methods", "metrics", "networks", "config"},
    "report": {"core", "data", "metrics", "sets"},
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
            # The public face shares a name with the folder of methods, which hands calls on to it.
            if name == "qsmbench.api" and path == PACKAGE / "methods/__init__.py":
                continue
            assert parts[1] in ALLOWED[folder], f"{folder} must not import {name}"


SCRIPTS = sorted(path for folder in ("tools", "benchmarks") for path in (ROOT / folder).glob("*.py"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_what_scripts_import_of_the_package_is_there(path):
    """No test runs most of them: a name that moved would be found by who needs the script."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "qsmbench":
                    importlib.import_module(alias.name)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "qsmbench":
            module = importlib.import_module(node.module)
            for alias in node.names:
                # A submodule is imported by its name, as the script does.
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_scripts_know_help(path):
    """Read by hand, a command line takes --help for a path, and a folder of that name is made."""
    text = path.read_text()
    assert "argparse.ArgumentParser(" in text and "sys.argv" not in text


def lock():
    lines = (ROOT / "requirements.lock").read_text().split()
    return dict(re.match(r"([A-Za-z0-9._-]+)==(.+)", line).groups() for line in lines)


def hashed(name):
    """Name -> version, marker, hashes, as pip reads them."""
    text = (ROOT / name).read_text()
    pattern = r"^([A-Za-z0-9._-]+)==(\S+)(?: ; ([^\n\\]+))? \\\n((?:    --hash=\S+(?: \\)?\n)+)"
    entries = re.findall(pattern, text, re.MULTILINE)
    assert len(entries) == len(re.findall(r"^[^#\s]", text, re.MULTILINE))
    sha256 = r"--hash=sha256:([0-9a-f]{64})\b"
    return {canonical(n): (pinned, marker, re.findall(sha256, rest)) for n, pinned, marker, rest in entries}


def test_every_locked_version_is_there_with_its_hashes_and_no_other_on_linux_or_macos():
    locked = {canonical(name): pinned for name, pinned in lock().items()}
    plain, cuda = hashed("requirements-hashed.lock"), hashed("requirements-hashed-cuda.lock")
    assert all(hashes for _, _, hashes in (*plain.values(), *cuda.values()))
    missing = sorted(name for name in locked if plain.get(name, ("",))[0] != locked[name])
    assert not missing, f"{missing}: run `make lock`"
    # Beside them: what pip freeze leaves out, and what other systems need.
    assert {n for n in plain.keys() - locked.keys() if "win32" not in plain[n][1]} <= {"setuptools"}
    assert cuda and all("sys_platform == 'linux'" in marker for _, marker, _ in cuda.values())
    assert not plain.keys() & cuda.keys()
    for python in ("3.11", "3.12", "3.13", "3.14"):
        environment = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
        for name in direct_dependencies("all", "dev"):
            marker = plain[name][1]
            assert not marker or Marker(marker).evaluate(environment), (name, python)


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def direct_dependencies(*extras):
    """Names of what pyproject.toml asks for with these extras, those that they take in included."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    wanted, names = [*project["dependencies"]], set()
    wanted += [text for extra in extras for text in project["optional-dependencies"][extra]]
    for requirement in map(Requirement, wanted):
        if requirement.name == "qsmbench":
            names |= direct_dependencies(*requirement.extras)
        else:
            names.add(canonical(requirement.name))
    return names


def test_every_direct_dependency_is_locked_and_installed_at_that_version():
    locked = {canonical(name): pinned for name, pinned in lock().items()}
    for name in direct_dependencies("all", "dev"):
        assert name in locked, f"{name} is not in requirements.lock: run `make lock`"
        # A CUDA or CPU build adds a local part (2.13.0+cpu) to the version that the lock pins.
        assert version(name).split("+")[0] == locked[name]


def test_locked_versions_run_on_the_pythons_of_every_debian_and_ubuntu_since_debian_12():
    pythons = ("3.11.2", "3.12.3", "3.13.5", "3.14.0")
    # What is not installed, older Pythons alone need.
    installed = {canonical(found.name) for found in distributions()}
    asked = {name: metadata(name).get("Requires-Python") for name in lock() if canonical(name) in installed}
    assert asked.keys() >= {"numpy", "torch"}
    assert len(asked) > 0.95 * len(lock())
    assert not {n: asks for n, asks in asked.items() if asks and not all(p in SpecifierSet(asks) for p in pythons)}


@pytest.mark.parametrize("name", ["qsmbench", "qsmbench-cpu"])
def test_conda_environments_have_the_locks_versions(name):
    environment = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())
    lines = [line for line in environment["dependencies"][-1]["pip"] if not line.startswith("--")]
    pinned = dict(line.split("==") for line in lines)
    assert ("+cpu" in pinned["torch"]) == (name == "qsmbench-cpu")
    locked = {canonical(name): value for name, value in lock().items()}
    assert all(locked[canonical(name)] == value.removesuffix("+cpu") for name, value in pinned.items())
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    assert {canonical(name) for name in pinned} == direct_dependencies("all")
    # The same Python in conda, in the container and in pyproject.toml.
    (python,) = [d for d in environment["dependencies"] if isinstance(d, str) and d.startswith("python=")]
    assert SpecifierSet(project["requires-python"]).contains(python.removeprefix("python="))
    assert (ROOT / f"envs/{name}.post-deploy.sh").read_text().count("$QSMBENCH_ROOT") == 1


def test_the_container_is_built_from_the_lock():
    recipe = (ROOT / "envs/qsmbench.def").read_text()
    python = re.search(r"^From: python:([0-9.]+)-", recipe, re.MULTILINE).group(1)
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    assert SpecifierSet(project["requires-python"]).contains(python)
    assert "--constraint /opt/qsmbench/requirements.lock '/opt/qsmbench[all]'" in recipe
    copied = re.findall(r"^    (\S+) /opt/qsmbench/$", recipe, re.MULTILINE)
    assert set(copied) >= {"pyproject.toml", "requirements.lock", project["readme"], *project["license-files"], "src"}
    assert all((ROOT / name).exists() for name in copied)


RULES = {
    name: body
    for path in sorted((ROOT / "rules").glob("*.smk"))
    for name, body in re.findall(r"^rule (\w+):\n((?:    .*\n|\n)+)", path.read_text() + "\n", re.MULTILINE)
}


def keywords(body):
    """A rule's keywords, each with its lines."""
    found = re.split(r"^    (\w+):", body, flags=re.MULTILINE)[1:]
    return dict(zip(found[::2], found[1::2], strict=True))


def test_every_rule_is_found_here():
    written = sum(
        p.read_text().count("\nrule ") + p.read_text().startswith("rule ") for p in (ROOT / "rules").glob("*.smk")
    )
    assert len(RULES) == written > 15


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_a_log_memory_and_a_time_limit_and_no_retries(rule):
    found = keywords(RULES[rule])
    if "shell" not in found:
        return
    asked = found["resources"]
    assert f'**asks("{rule}")' in asked or ("mem_mb=" in asked and "runtime=" in asked)
    assert f'LAYOUT.log("{rule}"' in found["log"]
    # In a rule they would multiply with the profile's.
    assert "retries" not in found


def test_the_wheel_carries_the_workflow_and_every_file_it_includes():
    with (ROOT / "pyproject.toml").open("rb") as file:
        carried = tomllib.load(file)["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert all((ROOT / name).exists() for name in carried)
    assert all(place == f"qsmbench/workflow/{name}" for name, place in carried.items())
    included = re.findall(r'^(?:include|    configfile): "([^"]+)"', (ROOT / "Snakefile").read_text(), re.MULTILINE)
    assert {Path(name).parts[0] for name in included} <= set(carried)


def test_every_rule_has_its_entry_in_the_table_of_steps_and_calls_it():
    doing = {rule: keywords(body) for rule, body in RULES.items() if "shell" in keywords(body)}
    assert set(doing) == set(STEPS)
    for rule, found in doing.items():
        step = STEPS[rule]
        assert f'**asks("{rule}")' in found["resources"]
        assert f'**given("{rule}")' in found["params"]
        assert ("localrule" in found) == step.local
        command = f"qsmbench step {step.command} {{params.config:q}}" if step.run else f"qsmbench {step.command} "
        assert command in found["shell"]
        assert all(f"--{name} {{wildcards.{name}}}" in found["shell"] for name in step.wildcards)


def test_snakemake_is_the_version_that_the_package_asks_for():
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    extras = project["optional-dependencies"]["workflow"]
    (wanted,) = [d for d in extras if Requirement(d).name == "snakemake"]
    least = min(spec.version for spec in Requirement(wanted).specifier if spec.operator == ">=")
    assert f'min_version("{least}")' in (ROOT / "Snakefile").read_text()


def test_no_file_is_long():
    lines = {str(p.relative_to(PACKAGE)): len(p.read_text().splitlines()) for p in PACKAGE.rglob("*.py")}
    assert {name: n for name, n in lines.items() if n > 350} == {}


def test_no_two_classes_have_one_name():
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(str(path.relative_to(PACKAGE)))
    assert {name: places for name, places in found.items() if len(places) > 1} == {}


LIGHT = [f"qsmbench.{name}" for name in ("data.layout", "sets.registry", "heads.registry", "benchmark.steps.registry")]


@pytest.mark.parametrize("module", LIGHT)
def test_what_rules_load_brings_no_array_library(module):
    heavy = ["numpy", "torch", "zarr", "pandas", "xarray", "scipy", "nibabel"]
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_names_have_one_spelling():
    wrong = [p.name for p in PACKAGE.rglob("*.py") if re.search(r"regularis|Regularis", p.read_text())]
    assert not wrong, "regularization has a z here, in names, messages and docstrings"
