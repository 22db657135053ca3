"""tools/rehearse.py: the graph of a long run with little in it."""

import sys
from collections import Counter
from pathlib import Path

from qsmbench.benchmark.run import Run
from qsmbench.benchmark.steps.registry import jobs
from qsmbench.config.load import read_config

ROOT = Path(__file__).parents[2]


def test_a_rehearsal_makes_the_same_maps_tables_and_networks_of_little_volumes(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import rehearse

    monkeypatch.setattr(sys, "argv", ["rehearse.py", str(ROOT / "configs/paper-small.yaml"), str(tmp_path / "r.yaml")])
    rehearse.main()
    long, little = (Run(read_config(path)) for path in (ROOT / "configs/paper-small.yaml", tmp_path / "r.yaml"))
    made = [{(job.rule, job.wildcards) for job in jobs(of)} for of in (long, little)]
    assert {job for job in made[0] if job[0] != "make_shard"} == {job for job in made[1] if job[0] != "make_shard"}
    assert Counter(job.rule for job in jobs(little))["make_shard"] > 0
    assert little.config.report == long.config.report
    assert little.layout.root != long.layout.root
    assert max(job.n_volumes * job.mvoxels for job in jobs(little) if job.rule == "reconstruct") < 0.5
    assert all(network.start for network in little.config.trained_networks.values())
