"""A whole run on a disk that fills up, or in a folder of somebody else: one line, nothing half-written, it goes on.

Where file systems may not be mounted, files may be no longer than a limit instead.
"""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from little_run import ROOT, configuration, little_run
from tampering import linked_copy, replace
from unchanging import contents

from qsmbench.cli.main import main

COMMAND = [sys.executable, "-m", "qsmbench.cli.main", "run", "little.yaml", "--cores", "2"]
AS_ROOT = os.getuid() == 0


def start(folder: Path, before=(), **more) -> subprocess.Popen:
    return subprocess.Popen(
        [*before, *COMMAND], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more
    )


def complaint(process: subprocess.Popen) -> str:
    """The one line that a failed run ends with, beside those that say what it will do and how far it is."""
    errors = process.communicate()[1]
    lines = [line for line in errors.splitlines() if line.startswith(("qsmbench: ", "qsmbench run: "))]
    told = [line for line in lines if "everything that Snakemake says" not in line and "disk: about" not in line]
    assert process.returncode in {1, 2} and len(told) == 1 and errors.rstrip().endswith(told[0]), errors
    assert "Traceback" not in errors and "Exception" not in errors
    return told[0]


def write_little(folder: Path) -> dict:
    config = configuration(folder)
    config["methods"] = {"tkd": config["methods"]["tkd"]}
    (folder / "little.yaml").write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    return config


@pytest.fixture
def place(tmp_path):
    """A disk of 30 MB where one may mount, else a folder; its name has blanks and letters beyond ASCII."""
    folder = tmp_path / "a disk é"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=30m", "tmpfs", str(folder)]
    mounted = AS_ROOT and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    yield folder, mounted
    if mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def filled(folder: Path) -> Path:
    """Take all the room that is left."""
    path, size = folder / "of somebody else", 1 << 16
    with path.open("wb", buffering=0) as file:
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2
    return path


def test_a_disk_that_fills_up_in_the_middle_of_a_run(place):
    folder, mounted = place
    config, shard = write_little(folder), folder / "results/synthetic/test.hashes/0.json"
    if mounted:
        process = start(folder)
        while process.poll() is None and not shard.exists():
            time.sleep(0.01)
        taken = filled(folder)
        said = complaint(process)
        assert "No space left on device" in said and str(folder) in said
        said = complaint(start(folder))
        assert f"MB are free at {folder / 'results'}" in said
        taken.unlink()
    else:
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # noqa: E731
        said = complaint(start(folder, preexec_fn=limit))
        assert "File too large" in said and str(folder) in said
    left = sorted(p.name for p in folder.rglob(".tmp*"))
    assert left == [], "written in part"

    process = start(folder)
    assert process.wait() == 0, process.communicate()[1]
    found = contents(folder / "results")
    (folder / "results").rename(folder / "first")
    sound = contents(little_run(folder, config))
    assert len(sound) > 20 and {name: found.get(name) for name in sound} == sound


def test_a_read_only_disk_is_one_line(place):
    folder, mounted = place
    write_little(folder)
    if not mounted:
        pytest.skip("needs the right to mount")
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    assert "Read-only file system" in complaint(start(folder))


def test_a_file_that_another_node_sees_late_is_waited_for_where_nodes_share_a_disk():
    """By Snakemake, for outputs and inputs of rules; ours read nothing else, or say what is missing in one line."""
    profile = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    assert profile["latency-wait"] >= 60 and profile["rerun-incomplete"] is True


@pytest.mark.parametrize(
    "late", ["synthetic/test.zarr/zarr.json", "source/source.json", "reconstructions/test/tkd.json"]
)
def test_what_is_not_seen_yet_is_named_by_the_step_that_reads_it(results, tmp_path, late, capsys):
    folder = linked_copy(results, tmp_path / "run")
    (folder / late).rename(tmp_path / "late")
    step = {"source": ["make-shard", "--set", "test", "--shard", "0"], "synthetic": ["reconstruct", "--set", "test"]}
    words = step.get(late.split("/")[0], ["evaluate", "--set", "test"])
    words += [] if "--shard" in words else ["--run", "tkd"]
    config = json.loads((folder / "provenance/config.json").read_text()) | {"results": str(folder)}
    replace(folder / "provenance/config.json", json.dumps(config).encode())
    assert main(["step", words[0], str(folder / "provenance/config.json"), *words[1:]]) in {1, 2}
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and (folder / late).parent.name in said[0], said


# Root passes over permissions; a root without this power is met by them like anybody else.
NOBODYS_POWER = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"] if AS_ROOT else []


@pytest.mark.parametrize("theirs", ["results", "."])
def test_a_folder_of_somebody_else_is_one_line_and_stays_as_it_is(tmp_path, theirs):
    write_little(tmp_path)
    folder = tmp_path / theirs
    folder.mkdir(exist_ok=True)
    if AS_ROOT:
        os.chown(folder, 65534, 65534)
    folder.chmod(0o755 if AS_ROOT else 0o555)
    before = sorted(folder.iterdir())
    try:
        said = complaint(start(tmp_path, NOBODYS_POWER))
        assert "ermission" in said and (theirs in said), said
        assert sorted(folder.iterdir()) == before
    finally:
        folder.chmod(0o777)
