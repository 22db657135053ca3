"""The graph of the papers' comparison and of its small twin: a dry run makes the jobs that the table of steps knows."""

import shutil
from collections import Counter

import pytest
from tiny_run import ROOT, planned

from qsmbench.benchmark.run import Run
from qsmbench.benchmark.steps.registry import jobs
from qsmbench.config.load import read_config

pytestmark = pytest.mark.workflow


@pytest.mark.parametrize("name", ["paper", "paper-small"])
def test_a_dry_run_of_the_comparison_has_every_job(name, tmp_path):
    shutil.copy(ROOT / f"configs/{name}.yaml", tmp_path / "tiny.yaml")
    expected = Counter(job.rule for job in jobs(Run(read_config(ROOT / f"configs/{name}.yaml"))))
    assert planned(tmp_path) == dict(expected)
