"""The manifest: every file, in the format of sha256sum."""

import hashlib

import pytest

from qsmbench.core.errors import InputError
from qsmbench.provenance.manifest import (
    MANIFEST,
    excluded,
    files_of,
    hash_files,
    read_manifest,
    tree_digest,
    write_manifest,
)


@pytest.fixture
def folder(tmp_path):
    for name in ("a.txt", "b c/d.csv", "b c/.bidsignore", "logs/job.log", "x.zarr/.snakemake_timestamp"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def test_results_are_listed_and_logs_are_not(folder):
    assert files_of(folder) == ["a.txt", "b c/.bidsignore", "b c/d.csv"]
    assert excluded("logs/job.log").startswith("what jobs printed")
    assert excluded("networks/net.pt.checkpoint") is not None
    assert excluded("scores/test/.tkd.parquet.journal") is not None
    assert excluded("reports/logs.csv") is None


@pytest.mark.parametrize("threads", [1, 3])
def test_written_and_read_again(folder, threads):
    hashes = hash_files(folder, files_of(folder), threads)
    assert hashes["a.txt"] == hashlib.sha256(b"a.txt").hexdigest()
    write_manifest(folder, hashes)
    assert read_manifest(folder) == hashes
    assert files_of(folder) == sorted(hashes), "the manifest does not list itself"


@pytest.mark.parametrize("line", ["abc  a.txt", f"{'0' * 64} a.txt", f"{'0' * 64}  a\n{'1' * 64}  a"])
def test_a_line_that_is_none_is_refused(tmp_path, line):
    (tmp_path / MANIFEST).write_text(line + "\n")
    with pytest.raises(InputError, match=r"line \d: expected a SHA-256"):
        read_manifest(tmp_path)


def test_a_folder_without_one_is_refused(tmp_path):
    with pytest.raises(InputError, match="has no manifest"):
        read_manifest(tmp_path)


def test_a_tree_does_not_depend_on_where_it_lies():
    here = {"s/x.zarr/c/0": "0" * 64, "s/x.zarr/c/1": "1" * 64, "s/x.zarr2/c": "2" * 64}
    there = {"other/c/1": "1" * 64, "other/c/0": "0" * 64}
    assert tree_digest(here, "s/x.zarr") == tree_digest(there, "other/")
    assert tree_digest(here, "s/x.zarr") != tree_digest(here | {"s/x.zarr/c/1": "3" * 64}, "s/x.zarr")


def test_a_name_with_a_line_break_is_refused(tmp_path):
    (tmp_path / "a\nb").write_text("")
    with pytest.raises(InputError, match="control characters"):
        files_of(tmp_path)
