"""Records of jobs: what was opened, hashed, and nothing where the workflow does not ask."""

import json
from pathlib import Path

import pytest

from qsmbench.data.atomic import write_text_atomic
from qsmbench.data.download import sha256_of
from qsmbench.provenance.record import VARIABLE, job_name, makers, read_jobs, recorded, remove_stale


@pytest.fixture
def results(tmp_path, monkeypatch):
    folder = tmp_path / "results"
    folder.mkdir()
    monkeypatch.setenv(VARIABLE, str(folder / "provenance/jobs"))
    for name in ("RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    return folder


def job(results, name, reads=(), writes=()):
    with recorded(name, [name]) as facts:
        facts["seed"] = 7
        for path in reads:
            Path(path).read_bytes()
        for path, text in writes:
            write_text_atomic(results / path, text)
    return json.loads((results / f"provenance/jobs/{job_name(name, [name])}.json").read_text())


def test_what_was_read_and_written_is_told_with_hashes(results, tmp_path):
    outside = tmp_path / "head.nii.gz"
    outside.write_bytes(b"someone's head")
    job(results, "first", reads=[outside], writes=[("sets/a.json", "a"), ("logs/first.log", "text")])
    found = job(results, "second", reads=[results / "sets/a.json"], writes=[("b.csv", "b")])
    assert found["inputs"] == {"sets/a.json": sha256_of(results / "sets/a.json")}
    assert found["outputs"] == {"b.csv": sha256_of(results / "b.csv")}
    assert found["seed"] == 7
    assert found["external"] == []
    jobs, broken = read_jobs(results)
    assert ([j.command for j in jobs], broken) == (["first", "second"], [])
    assert jobs[0].outputs.keys() == {"sets/a.json"}, "neither a log nor a temporary file"
    assert jobs[0].content["external"] == [{"name": "head.nii.gz", "sha256": sha256_of(outside), "bytes": 14}]
    assert str(tmp_path) not in json.dumps(jobs[0].content["external"])
    assert found["seconds"] >= 0 and found["started"] < found["ended"]


def test_without_being_asked_nothing_is_written(results, monkeypatch):
    monkeypatch.delenv(VARIABLE)
    with recorded("first", []):
        write_text_atomic(results / "a", "a")
    assert not (results / "provenance").exists()


@pytest.mark.parametrize("variable", ["RANK", "SLURM_PROCID"])
def test_of_several_processes_the_first_writes(results, monkeypatch, variable):
    monkeypatch.setenv(variable, "1")
    with recorded("train", []):
        pass
    assert not (results / "provenance").exists()


def test_a_job_that_fails_leaves_no_record(results):
    with pytest.raises(ValueError, match="broken"), recorded("first", []):
        raise ValueError("broken")
    assert read_jobs(results) == ([], [])


def test_a_record_goes_when_another_job_made_all_it_made(results):
    job(results, "old", writes=[("a", "1"), ("b", "1")])
    job(results, "new", writes=[("a", "2")])
    assert remove_stale(results) == [], "b is still the old job's"
    job(results, "newer", writes=[("b", "2")])
    assert [Path(p).name.split("-")[0] for p in remove_stale(results)] == ["old"]
    jobs, _ = read_jobs(results)
    assert {path: maker.command for path, maker in makers(jobs).items()} == {"a": "new", "b": "newer"}


def test_what_is_no_record_is_named(results):
    job(results, "first", writes=[("a", "1")])
    path = results / "provenance/jobs/odd.json"
    for text in ("{", "[]", '{"format": "qsmbench-job-1"}'):
        path.write_text(text)
        jobs, broken = read_jobs(results)
        assert (len(jobs), broken) == (1, ["provenance/jobs/odd.json"])
