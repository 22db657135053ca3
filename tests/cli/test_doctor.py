"""`qsmbench doctor`: true of this machine, one line a thing, and status 1 where no map can be made."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from qsmbench.cli import doctor_checks
from qsmbench.cli.doctor_checks import PARTS, look
from qsmbench.cli.main import main

ROOT = Path(__file__).parents[2]


def test_it_finds_everything_that_the_tests_run_with(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    found = {finding["what"]: finding for finding in told["findings"]}
    assert told["works"]
    # All but GPU, SLURM and a browser is where tests run, in the lock's versions (tests/test_structure.py).
    assert {name for name, finding in found.items() if finding["state"] != "ok"} <= {
        "GPU",
        "SLURM",
        "browser",
        "memory",
    }
    assert {"Python", "packages", "torch", "cores", "memory", "disk", *PARTS} <= set(found)
    assert str(tmp_path) in found["disk"]["text"]
    assert list(tmp_path.iterdir()) == []
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["Chi maps from scans: yes", "The whole benchmark (qsmbench run): yes"]


def environment_without(folder, *missing):
    """A Python that has everything but some distributions, whose metadata and modules are hidden from it."""
    text = f"""
import importlib.metadata
from importlib.machinery import PathFinder
missing = {missing!r}
true = PathFinder.find_spec
def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] in missing else true(name, path, target)
PathFinder.find_spec = find_spec
found = importlib.metadata.version
def version(name):
    if name in missing:
        raise importlib.metadata.PackageNotFoundError(name)
    return found(name)
importlib.metadata.version = version
"""
    (folder / "sitecustomize.py").write_text(text)
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


def doctor(folder, *missing):
    command = [sys.executable, "-m", "qsmbench.cli.main", "doctor"]
    environment = environment_without(folder, *missing)
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_what_is_optional_may_be_missing(tmp_path):
    done = doctor(tmp_path, "rocrate", "statsmodels")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    (line,) = [number for number, text in enumerate(lines) if text.startswith("lacks   workflow")]
    assert "rocrate" in lines[line]
    assert "statsmodels" in lines[line]
    assert lines[line + 1].strip() == "-> pip install 'qsmbench[workflow]'"
    assert lines[-1] == "The whole benchmark (qsmbench run): no, see workflow"


def test_without_a_package_of_the_core_no_map_can_be_made(tmp_path):
    done = doctor(tmp_path, "torch")
    assert done.returncode == 1
    assert "BAD     packages   missing or too old: torch" in done.stdout
    assert "BAD     torch      does not load" in done.stdout
    assert done.stdout.splitlines()[-1] == "Chi maps from scans: no, first mend packages, torch"
    assert "Traceback" not in done.stderr


def test_other_versions_than_the_locks_are_named(monkeypatch):
    true = doctor_checks.version
    monkeypatch.setattr(doctor_checks, "version", lambda name: "1.0" if name == "numpy" else true(name))
    found = {finding.what: finding for finding in look()}
    assert "numpy 1.0 (wanted >=2)" in found["packages"].text
    assert found["packages"].state == "bad"
    assert "numpy 1.0 (lock " in found["lock"].text
    assert str(ROOT / "requirements.lock") in found["lock"].todo


def test_a_folder_that_cannot_be_written_is_bad(tmp_path):
    if os.geteuid() == 0:
        # Root may write anywhere but to what is no folder of a disk.
        folder = Path("/proc/self")
    else:
        folder = tmp_path
        folder.chmod(0o500)
    (finding,) = [finding for finding in doctor_checks.places(folder) if finding.what == "folder"]
    assert finding.state == "bad"
    assert "cannot be written" in finding.text


@pytest.mark.parametrize(("script", "state"), [("echo slurm 24.11.5", "ok"), ("exit 1", "lacks")])
def test_slurm_is_asked_for_its_version(tmp_path, monkeypatch, script, state):
    for name in ("sbatch", "squeue"):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin:/bin")
    assert doctor_checks.slurm().state == state
