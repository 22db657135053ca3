"""Paper scale on a cluster, without one: what a dry run with the profile plans, and in what time."""

import os
import re
import resource
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from qsmbench.benchmark.costs import request
from qsmbench.benchmark.plan import plan
from qsmbench.benchmark.run import Run
from qsmbench.benchmark.site import Site
from qsmbench.benchmark.steps.registry import jobs
from qsmbench.config.load import read_config

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """The dry run's jobs (rule, wildcards, resources, log), and the seconds of processor time that it took."""
    folder = tmp_path_factory.mktemp("paper")
    shutil.copy(ROOT / "configs/paper.yaml", folder)
    (folder / "site.yaml").write_text("cpu_partition: long\ngpu_partition: gpu\naccount: lab\n")
    command = [
        *(str(Path(sys.executable).parent / "snakemake"), "--snakefile", str(ROOT / "Snakefile")),
        *("--directory", str(folder), "--profile", str(ROOT / "profiles/slurm")),
        *("--configfile", str(folder / "paper.yaml"), "--dry-run"),
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_XDIST")}
    environment["QSMBENCH_SITE"] = str(folder / "site.yaml")
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr[-3000:]
    found = []
    for block in re.split(r"\n(?:local)?rule ", done.stdout + done.stderr)[1:]:
        lines = dict(re.findall(r"^    (wildcards|resources|log): (.*)$", block, re.MULTILINE))
        fields = {
            k: dict(p.split("=", 1) for p in lines.get(k, "").split(", ") if p) for k in ("wildcards", "resources")
        }
        found.append((block.split(":")[0], tuple(fields["wildcards"].values()), fields["resources"], lines.get("log")))
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return [job for job in found if job[0] != "all"], seconds


def test_the_full_graph_is_a_thousand_jobs_in_less_than_twenty_seconds(planned):
    found, seconds = planned
    assert 500 < len(found) < 1500
    assert seconds < 20


def test_the_plan_counts_the_jobs_that_snakemake_counts(planned):
    expected = Counter((job.rule, job.wildcards) for job in jobs(Run(read_config(ROOT / "configs/paper.yaml"))))
    assert Counter((rule, wildcards) for rule, wildcards, *_ in planned[0]) == expected


def test_every_job_asks_for_its_memory_time_partition_and_has_a_log(planned):
    config = read_config(ROOT / "configs/paper.yaml")
    site = Site(cpu_partition="long", gpu_partition="gpu", account="lab")
    expected = {(job.rule, job.wildcards): request(job, config, site) for job in jobs(Run(config))}
    for rule, wildcards, asked, log in planned[0]:
        want = expected[rule, wildcards]
        assert (int(asked["mem_mb"]), int(asked["runtime"])) == (want.memory_mb, want.minutes), (rule, wildcards)
        assert asked["slurm_partition"] == ("gpu" if want.gpus else "long")
        assert asked["slurm_account"] == "lab"
        assert log and "/logs/" in log


def test_the_documented_plan_is_what_the_command_prints():
    text = (ROOT / "docs/cluster.md").read_text()
    shown = text.split("<!-- qsmbench plan configs/paper.yaml -->\n")[1].split("<!-- end of the plan -->")[0]
    assert shown.strip() == plan(Run(read_config(ROOT / "configs/paper.yaml")), Site(gpu_partition="gpu")).strip()
