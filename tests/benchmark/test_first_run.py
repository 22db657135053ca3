"""Costs of a method that nobody measured: two small runs, said to be an estimate, and requests that go by them."""

import pytest
import yaml
from foreign_folder import their_qsm

from qsmbench.benchmark.costs import cost, read_rates
from qsmbench.benchmark.first_run import known, measure
from qsmbench.benchmark.site import Site
from qsmbench.benchmark.steps.contract import Job
from qsmbench.cli.main import main
from qsmbench.config.load import read_config
from qsmbench.core.errors import InputError


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = their_qsm(tmp_path)
    content = {
        "synthetic": {"test": {"role": "test", "n_samples": 2, "samples_per_shard": 2}},
        "methods": {"tkd": {}, "theirs": {"command": str(folder)}, "broken": {"command": str(folder)}},
    }
    content["methods"]["broken"]["options"] = {"seconds": 0.001}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_plan_runs_what_nobody_measured_once_and_says_that_it_estimated(config, capsys):
    assert main(["plan", str(config)]) == 0
    said = capsys.readouterr()
    assert "a first small run of theirs" in said.err
    assert "broken: their-qsm took longer than 0.001 s" in said.err
    assert "estimated from a first small run, on this machine as busy as it was: theirs " in said.out
    assert "not measured, taken for slow: the methods broken" in said.out
    read = read_config(config)
    found = known("command", read.methods["theirs"].options)
    assert found is not None
    assert found.voxels == 60 * 50 * 36
    # What a job is expected to cost goes by it, and nothing is run again.
    hours = {
        key: cost(Job("reconstruct", ("test", key), 1, 100.0, method="command"), read, Site()).core_hours
        for key in ("theirs", "broken")
    }
    by_voxel = (found.seconds_mvoxel - read_rates().methods["other"].seconds) * 100 / 3600
    assert hours["theirs"] - hours["broken"] == pytest.approx(by_voxel, abs=1e-6)
    assert main(["plan", str(config)]) == 0
    assert "a first small run of theirs" not in capsys.readouterr().err


def test_another_folder_or_other_options_are_unknown_again(config):
    options = dict(read_config(config).methods["theirs"].options)
    assert known("command", options) is None
    measure("command", options)
    assert known("command", options) is not None
    assert known("command", options | {"parameters": {"threshold": 0.3}}) is None
    (config.parent / "their-qsm/recon.py").write_text("# another")
    assert known("command", options) is None
    with pytest.raises(InputError):
        measure("tkd", {"treshold": 1})
