"""Odd places: full and read-only disks, no home, no UTF-8 locale, umask 077, no TMPDIR, odd names."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qsmbench.data.nifti import read_volume, write_volume

QSMBENCH = [sys.executable, "-m", "qsmbench.cli.main"]


@pytest.fixture
def chi(tmp_path) -> Path:
    path = tmp_path / "a map é.nii.gz"
    values = np.random.default_rng(0).normal(size=(24, 24, 20)).astype(np.float32) * 0.05
    write_volume(path, values, np.diag([1.0, 1.0, 2.0, 1.0]))
    return path


def run(*arguments, environment=None, cwd=None, **more):
    return subprocess.run(
        [*QSMBENCH, *map(str, arguments)], capture_output=True, text=True, check=False, env=environment, cwd=cwd, **more
    )


def refused(done):
    """One line, and a status that says so."""
    assert done.returncode in {1, 2}, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and "Traceback" not in done.stderr, done.stderr
    return done.stderr


def nothing_left(folder):
    return [p.name for p in folder.rglob("*") if p.is_file()] == []


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 kB of one's own, where one may mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_one_line_and_nothing_half_written(chi, small_disk):
    said = refused(run("forward", "--chi", chi, "--out", small_disk / "field.nii.gz"))
    assert "No space left on device" in said
    assert nothing_left(small_disk)


def test_a_read_only_disk_is_one_line(chi, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    said = refused(run("forward", "--chi", chi, "--out", small_disk / "field.nii.gz"))
    assert "cannot write into" in said or "Read-only" in said


def test_a_quota_is_one_line_and_nothing_half_written(chi, tmp_path):
    out = tmp_path / "out"
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))  # noqa: E731
    said = refused(run("forward", "--chi", chi, "--out", out / "field.nii.gz", preexec_fn=limit))
    assert "File too large" in said
    assert nothing_left(out)


def test_no_home_no_locale_no_temporary_folder_and_a_strict_umask(chi, tmp_path):
    environment = {k: v for k, v in os.environ.items() if k not in {"HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR"}}
    environment |= {"LC_ALL": "C", "TMPDIR": str(tmp_path / "gone"), "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    out = tmp_path / "with blanks é" / "field é.nii.gz"
    done = run("forward", "--chi", chi, "--out", out, environment=environment, umask=0o077)
    assert done.returncode == 0, done.stderr
    assert out.stat().st_mode & 0o777 == 0o600
    plain = tmp_path / "plain.nii.gz"
    assert run("forward", "--chi", chi, "--out", plain).returncode == 0
    assert plain.read_bytes() == out.read_bytes()
    assert np.isfinite(read_volume(out).data).all()


def test_a_name_that_no_locale_can_show_is_shown_by_its_numbers(tmp_path):
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for name in ("é\x1b[31m.nii.gz", os.fsdecode(b"a\xff.nii.gz"), "\u202egnp.nii.gz"):
        (tmp_path / name).write_text("no NIfTI")
        said = refused(
            run("forward", "--chi", tmp_path / name, "--out", tmp_path / "f.nii.gz", environment=environment)
        )
        assert said.strip().isprintable(), said
