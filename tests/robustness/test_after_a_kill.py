"""Jobs end with the process that started them, folders belong to one run, and claims of the dead are taken over."""

import os
import signal
import subprocess
import sys
import time

import pytest

from qsmbench.core import parent
from qsmbench.core.errors import InputError
from qsmbench.data.claim import claim, give_back, join
from qsmbench.provenance.manifest import files_of

PYTHON = [sys.executable, "-c"]
LONG = "import sys, time; print('on', flush=True); time.sleep(60)"


def begun(code, **more):
    process = subprocess.Popen([*PYTHON, code], stdout=subprocess.PIPE, text=True, **more)
    assert process.stdout.readline().strip() == "on"
    return process


def gone(pid, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not parent.identity(pid).split(" ")[-1]:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_job_ends_with_who_started_it_though_a_shell_stands_between(stubborn):
    """Also where it takes SIGTERM as a wish, after the grace that it is given."""
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" if stubborn else ""
    job = f"{deaf}import os\nfrom qsmbench.core.parent import end_with_parent\nassert end_with_parent(1)\n"
    job += "print('on', os.getpid(), flush=True)\nimport time; time.sleep(60)"
    starter = (
        "import os, subprocess, sys, time\nfrom qsmbench.core import parent\n"
        "os.environ[parent.VARIABLE] = parent.identity(os.getpid())\n"
        f"subprocess.Popen(['bash', '-c', '\"$0\" -c \"$1\"; true', sys.executable, {job!r}])\ntime.sleep(60)"
    )
    process = subprocess.Popen([*PYTHON, starter], stdout=subprocess.PIPE, text=True)
    pid = int(process.stdout.readline().split()[1])
    process.kill()
    process.wait()
    assert gone(pid, 10)


def test_a_job_that_a_queue_started_elsewhere_watches_nobody(monkeypatch):
    named = parent.identity(os.getpid())
    for value in ("", "words", named.replace("pid:", "other:"), f"x{named}"):
        monkeypatch.setenv(parent.VARIABLE, value)
        assert not parent.end_with_parent()
    monkeypatch.setenv(parent.VARIABLE, named)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert not parent.end_with_parent()


def test_a_process_is_known_by_its_start_and_a_dead_one_is_none():
    process = begun(LONG)
    before = parent.identity(process.pid)
    assert before == parent.identity(process.pid) != parent.identity(os.getpid())
    process.kill()
    # Not reaped yet: there is a number, and nobody behind it.
    assert gone(process.pid, 5)
    process.wait()


def test_a_folder_is_one_runs_and_its_owner_is_named(tmp_path):
    code = f"from pathlib import Path; from qsmbench.data.claim import claim; claim(Path({str(tmp_path)!r})); {LONG}"
    owner = begun(code)
    with pytest.raises(InputError, match=rf"is taken: process {owner.pid} on .*kill {owner.pid}"):
        claim(tmp_path)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    assert f"process {owner.pid} on" in claim(tmp_path)
    give_back(tmp_path)
    assert claim(tmp_path) == ""
    give_back(tmp_path)
    assert files_of(tmp_path) == [], "what tells of processes is no result"


def test_who_claims_a_folder_waits_for_jobs_that_are_left(tmp_path):
    code = "from pathlib import Path; from qsmbench.data.claim import join; join(Path({!r})); {}"
    job = begun(code.format(str(tmp_path), LONG))
    with pytest.raises(InputError, match="jobs of an earlier run"):
        claim(tmp_path, patience=0.3)
    job.kill()
    job.wait()
    assert claim(tmp_path, patience=5) == ""
    give_back(tmp_path)


def test_two_jobs_share_a_folder_and_a_job_by_hand_needs_no_claim(tmp_path):
    join(tmp_path)
    join(tmp_path / "not there")
    assert (tmp_path / ".qsmbench-jobs.lock").is_file()


@pytest.mark.parametrize("place", ["/proc/nowhere", "/dev/null/results"])
def test_a_folder_that_cannot_be_written_is_refused_in_one_line(place):
    from pathlib import Path

    with pytest.raises(InputError, match="cannot be written to"):
        claim(Path(place))
