"""profiles/slurm on a real SLURM: the whole little pipeline, killed in the middle; jobs that meet limits; failures.

Two runs carry all tests. `finished`: from nothing, killed (SIGKILL) once training is done, gone on with. `troubled`: of
a copy of it, a training that meets its time limit, a reconstruction that meets its memory limit, one that cannot go on.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml
from tiny_run import write_head

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools/one_node_slurm"
pytestmark = pytest.mark.slurm
# Quiet machines need a tenth of it.
PATIENCE = 900


def little(folder: Path) -> dict:
    """Every step of the pipeline in as few jobs as can be; the network is trained by two ranks."""
    write_head(folder / "head.nii.gz", (44, 52, 40), 3.0)
    recipe = {"shape": [24, 24, 16], "voxel_size": {"min": [3.0, 3.0, 4.0], "max": [4.0, 4.0, 6.0]}}
    head = {"kind": "nifti", "chi": "head.nii.gz"}
    return {
        "source": head,
        "synthetic": {
            "train": {"role": "train", "n_samples": 5, "samples_per_shard": 5, "recipe": recipe},
            "test": {"role": "test", "n_samples": 3, "samples_per_shard": 2, "recipe": recipe},
        },
        "networks": {
            "net": {
                "train_set": "train", "channels": 4, "levels": 2, "hidden": [4, 2], "steps": 6, "batch_size": 2,
                "validation_steps": 3, "checkpoint_steps": 3, "devices": 2,
            }
        },
        "acquisitions": {
            "scans": {
                "kind": "simulated", "protocol": "research", "subjects": ["oblique"], "scale": [7, 7, 3],
                "source": head,
                "preparation": {"mask": {"method": "threshold"}, "background": {"kind": "resharp", "radius": 9}},
            }
        },
        "methods": {"tkd": {}, "meta": {"method": "meta-qsm", "network": "net"}},
        "report": {"subjects_shown": 1},
    }  # fmt: skip


def write_config(folder: Path, config: dict) -> None:
    (folder / "little.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def command(folder: Path, *arguments: str) -> list[str]:
    return [
        *(str(Path(sys.executable).parent / "snakemake"), "--snakefile", str(ROOT / "Snakefile")),
        *("--directory", str(folder), "--configfile", str(folder / "little.yaml"), *arguments),
    ]


def with_profile(folder: Path, *arguments: str) -> list[str]:
    quick = ("--slurm-init-seconds-before-status-checks", "5", "--latency-wait", "20")
    return command(folder, "--profile", str(ROOT / "profiles/slurm"), *quick, *arguments)


def start(call: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen:
    with log.open("w") as file:
        return subprocess.Popen(call, env=environment, stdout=file, stderr=subprocess.STDOUT)


def wait_until(true, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert process.poll() is None, log.read_text()[-4000:]
        assert time.monotonic() < deadline, log.read_text()[-4000:]
        time.sleep(0.3)


def slurm(environment: dict[str, str], *call: str) -> str:
    return subprocess.run(call, env=environment, check=True, capture_output=True, text=True).stdout


def history(environment: dict[str, str], run_id: str) -> pd.DataFrame:
    """Every job of a Snakemake run that SLURM remembers, in order."""
    form = "%i|%T|%k|%m|%l|%b|%P|%C"
    lines = slurm(environment, "squeue", "--states=all", "--noheader", f"--format={form}", f"--name={run_id}")
    columns = ("job", "state", "what", "memory", "limit", "gres", "partition", "cpus")
    table = pd.DataFrame([line.split("|") for line in lines.splitlines()], columns=columns)
    return table.sort_values("job", key=lambda job: job.astype(int))


def run_id(log: Path) -> str:
    return re.search(r"SLURM run ID: (\S+)", log.read_text()).group(1)


@pytest.fixture(scope="module")
def finished(cluster, tmp_path_factory):
    """The whole pipeline; what is left after a SIGKILL in the middle is noted in killed.json."""
    _, environment = cluster
    folder = tmp_path_factory.mktemp("finished")
    write_config(folder, little(folder))
    first, second = folder / "first.log", folder / "second.log"
    process = start(with_profile(folder), environment, first)
    weights = folder / "results/networks/net.pt"
    name = ["--noheader", "--format=%i"]
    try:
        wait_until(lambda: re.search(r"Finished jobid: \d+ \(Rule: train\)", first.read_text()), process, first)
        name.append(f"--name={run_id(first)}")
        # Jobs that wait for training are on their way, and orphans after the kill.
        wait_until(lambda: slurm(environment, "squeue", *name), process, first)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    orphans = slurm(environment, "squeue", *name).split()
    # Held, and stopped where they run: on a busy machine they would be done before the next Snakemake looks.
    for job in orphans:
        for what in ("hold", "suspend"):
            subprocess.run(["scontrol", what, job], env=environment, check=False, capture_output=True)
    refused = subprocess.run(with_profile(folder), env=environment, capture_output=True, text=True, check=False)
    slurm(environment, "scancel", f"--name={run_id(first)}")
    deadline = time.monotonic() + 60
    while slurm(environment, "squeue", *name):
        assert time.monotonic() < deadline, "cancelled jobs do not end"
        time.sleep(0.3)
    stamp = weights.stat().st_mtime_ns
    again = start(with_profile(folder), environment, second)
    try:
        assert again.wait(PATIENCE) == 0, second.read_text()[-4000:]
    finally:
        again.kill()
    (folder / "killed.json").write_text(
        json.dumps(
            {
                "orphans": orphans,
                "refused": [refused.returncode, refused.stderr[-2000:]],
                "kept": weights.stat().st_mtime_ns == stamp,
            }
        )
    )
    return folder


def test_killed_in_the_middle_it_names_its_orphans_and_goes_on_once_they_are_cancelled(finished):
    killed = json.loads((finished / "killed.json").read_text())
    assert killed["orphans"], "nothing was running when Snakemake was killed"
    code, said = killed["refused"]
    assert code == 2 and "scancel" in said
    assert killed["kept"], "what was done before the kill was done again"
    assert "Finished jobid" in (finished / "second.log").read_text()


def test_tables_are_those_of_a_local_run_byte_for_byte(finished, cluster, tmp_path):
    _, environment = cluster
    for name in ("little.yaml", "head.nii.gz"):
        shutil.copy(finished / name, tmp_path / name)
    log = tmp_path / "local.log"
    local = command(tmp_path, "--profile", str(ROOT / "profiles/local"), "--cores", "2")
    assert start(local, environment, log).wait(PATIENCE) == 0, log.read_text()[-4000:]
    results = finished / "results"
    compared = [
        *sorted((results / "report/tables").iterdir()),
        *sorted((results / "synthetic").rglob("*.json")),
        *sorted((results / "reconstructions").rglob("*.nii.gz")),
        *(results / name for name in ("scores.parquet", "scores/fields/scans.csv", "networks/net.csv")),
    ]
    assert len(compared) > 20
    for path in compared:
        assert (tmp_path / path.relative_to(finished)).read_bytes() == path.read_bytes(), path


def test_jobs_asked_for_what_their_rules_say(finished, cluster):
    _, environment = cluster
    jobs = pd.concat([history(environment, run_id(finished / name)) for name in ("first.log", "second.log")])
    jobs["rule"] = jobs["what"].str.extract(r"rule_(.+?)(?:_wildcards|$)")
    rules = set(jobs["rule"])
    assert rules >= {"source", "make_shard", "train", "reconstruct", "evaluate", "acquire", "prepare", "report"}
    assert not rules & {"create_set", "describe_acquisitions"}, "these are done where Snakemake runs"
    training = jobs[jobs["rule"] == "train"].iloc[0]
    assert (training["partition"], training["cpus"], training["state"]) == ("gpu", "2", "COMPLETED")
    assert (jobs.loc[jobs["rule"] == "make_shard", "partition"] == "cpu").all()
    assert jobs["memory"].str.fullmatch(r"\d+(\.\d+)?[MG]").all()
    log = (finished / "results/logs/train/net.log").read_text()
    assert log.count("step 6: loss") == 1, "two ranks, one that speaks"


def ranks_of(folder: Path, network: str) -> list[int]:
    """Process ids of the training of a network in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text().split("\0")
            here = (process / "cwd").resolve() == folder
        except OSError:
            continue
        if here and {"step", "train", network} <= set(words) and "srun" not in words[0]:
            found.append(int(process.name))
    assert len(found) == 2, found
    return found


@pytest.fixture(scope="module")
def troubled(finished, cluster, tmp_path_factory):
    """A copy of the finished run, in which three jobs meet trouble at the same time."""
    _, environment = cluster
    folder = tmp_path_factory.mktemp("troubled") / "copy"
    shutil.copytree(finished, folder)
    config = little(folder)
    slow = {"steps": 600, "validation_steps": 50, "checkpoint_steps": 10**6}
    net = config["networks"]["net"]
    config["networks"] |= {"slow": net | slow, "broken": net | {"devices": 1}}
    write_config(folder, config)
    results = folder / "results"
    shutil.rmtree(results / "reconstructions/test/tkd")
    (results / "networks/broken.pt.checkpoint").write_text("no checkpoint")
    targets = [f"results/{t}" for t in ("networks/slow.pt", "networks/broken.pt", "reconstructions/test/tkd")]
    log = folder / "troubled.log"
    call = with_profile(folder, *targets, "--set-resources", "reconstruct:mem_mb=150*attempt**3")
    process = start(call, environment, log)
    course = results / "logs/train/slow.log"
    try:
        wait_until(lambda: course.exists() and "step 50:" in course.read_text(), process, log)
        # SLURM looks at time limits every half minute: until then the ranks stand still, or they would be done before.
        for pid in ranks_of(folder, "slow"):
            os.kill(pid, signal.SIGSTOP)
        jobs = history(environment, run_id(log))
        job = jobs.loc[jobs["what"].str.contains("slow"), "job"].iloc[-1]
        # SLURM counts time limits in minutes; this brings the limit of the running job forward to now.
        slurm(environment, "scontrol", "update", f"JobId={job}", "EndTime=now+1seconds")
        code = process.wait(PATIENCE)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
    return folder, code, history(environment, run_id(log))


def test_a_training_at_its_time_limit_asks_for_more_and_goes_on_from_its_checkpoint(troubled):
    folder, _, jobs = troubled
    jobs = jobs[jobs["what"].str.contains("slow")]
    assert list(jobs["state"]) == ["TIMEOUT", "COMPLETED"]
    first, second = (pd.Timedelta(t if t.count(":") == 2 else f"0:{t}").total_seconds() for t in jobs["limit"])
    assert second == 1200 and first < 600, "10 minutes, cut short; then twice 10"
    said = (folder / "results/logs/train/slow.log").read_text()
    step = int(re.search(r"resuming from step (\d+)", said).group(1))
    assert 50 <= step < 600, "no other checkpoint was written than that of SIGTERM"
    assert list(pd.read_csv(folder / "results/networks/slow.csv")["step"]) == list(range(50, 601, 50))


def test_a_job_killed_by_its_memory_asks_for_more_and_succeeds(troubled, finished):
    folder, _, jobs = troubled
    jobs = jobs[jobs["what"].str.contains("test_tkd")]
    assert list(jobs["memory"])[:2] == ["150M", "1200M"]
    assert jobs["state"].iloc[0] in ("FAILED", "OUT_OF_MEMORY", "CANCELLED")
    assert list(jobs["state"])[1:] == ["COMPLETED"]
    log = (folder / f".snakemake/slurm_logs/rule_reconstruct/test_tkd/{jobs['job'].iloc[0]}.log").read_text()
    assert "memory" in log.lower()
    maps = Path("results/reconstructions/test/tkd")
    files = [p.relative_to(finished) for p in (finished / maps).rglob("*") if p.is_file()]
    assert files
    assert all((folder / p).read_bytes() == (finished / p).read_bytes() for p in files)


def test_a_job_that_keeps_failing_ends_with_one_line_that_names_it(troubled):
    folder, code, jobs = troubled
    assert code == 1
    assert list(jobs.loc[jobs["what"].str.contains("broken"), "state"]) == ["FAILED"] * 3
    lines = [x for x in (folder / "troubled.log").read_text().splitlines() if x.startswith("qsmbench: failed")]
    assert lines == [
        "qsmbench: failed: rule train (network=broken); log results/logs/train/broken.log: qsmbench step train: "
        "results/networks/broken.pt.checkpoint cannot be read as a checkpoint (File is not a zip file); delete it to "
        "train from the start"
    ], "one line for it, none for the two that succeeded in the end"


def alive(pid: str) -> bool:
    """Whether a process runs; one that ended and that nobody waited for does not."""
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "\nState:\tZ" not in status.read_text()


def test_the_tool_leaves_nothing_running(cluster, tmp_path):
    """Neither its daemons nor a process that left its job's tree and does not heed SIGTERM."""
    _, environment = cluster
    folder = Path(f"/tmp/slurm-{os.getpid()}")
    port = str(int(environment["ONE_NODE_SLURM_PORT"]) + 10)
    deaf = f"trap '' TERM; echo $$ > {tmp_path}/stray; sleep 301"
    (tmp_path / "job").write_text(f'#!/bin/bash\nsetsid bash -c "{deaf.replace("$", chr(92) + "$")}" &\nsleep 302\n')
    wait = f"until [ -s {tmp_path}/stray ]; do sleep 0.1; done"
    submit = f"sbatch --quiet --output=/dev/null {tmp_path}/job"
    script = f"srun true && {submit} && {wait} && cat {folder}/*.pid {tmp_path}/stray"
    try:
        environment = {k: v for k, v in environment.items() if k != "SLURM_CONF"} | {"ONE_NODE_SLURM_PORT": port}
        pids = slurm(environment, str(TOOL), "with", str(folder), "bash", "-c", script).split()
        assert len(pids) == 4
        assert not any(alive(pid) for pid in pids)
        failing = subprocess.run([TOOL, "with", folder, "false"], env=environment, check=False)
        assert failing.returncode == 1
        assert not list(folder.glob("*.pid"))
    finally:
        shutil.rmtree(folder)
