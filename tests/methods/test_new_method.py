"""The package that `qsmbench new-method` writes: installed, listed, checked, with no file of ours touched."""

import os
import subprocess
import sys

import pytest
from foreign_folder import installed_method

from qsmbench.cli.main import main
from qsmbench.methods import checks
from qsmbench.methods.checks import Candidate, example, run_checks
from qsmbench.methods.contract import Method


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The package in a folder of its own, and the environment in which Python finds it."""
    folder = tmp_path_factory.mktemp("new")
    return folder, {**os.environ, "PYTHONPATH": installed_method(folder), "OMP_NUM_THREADS": "1"}


def qsmbench(installed, *words):
    command = [sys.executable, "-m", "qsmbench.cli.main", *words]
    return subprocess.run(command, env=installed[1], cwd=installed[0], capture_output=True, text=True, check=False)


def test_it_is_listed(installed):
    """The tutorial's test (tests/site) holds it to the contract and runs its own tests."""
    assert "my-own-qsm  My Own QSM" in qsmbench(installed, "methods").stdout


@pytest.mark.parametrize(
    ("name", "message"), [("Mine", "no name for a method"), ("tkd", "already"), ("my-own-qsm", "exists already")]
)
def test_names_that_cannot_be_are_refused(installed, name, message, capsys):
    assert main(["new-method", name, "--out-dir", str(installed[0])]) == 2
    assert message in capsys.readouterr().err


class Careless(Method):
    """Draws at random, and fails without a magnitude."""

    def invert(self, scan):
        import torch

        return scan.magnitude * torch.randn(scan.grid.shape)


def test_a_careless_method_gets_a_failed_verdict_for_each_mistake(monkeypatch):
    monkeypatch.setattr(Candidate, "method", Careless())
    verdicts = {v.check: v for v in run_checks(Candidate("tkd", {}, None, example()))}
    failed = {check for check, verdict in verdicts.items() if verdict.passed is False}
    assert {checks.deterministic.__doc__, checks.bare.__doc__} <= failed
    assert "TypeError" in verdicts[checks.bare.__doc__].message
