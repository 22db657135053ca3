"""Evaluation and inspection over the workers of a real dask cluster: processes of their own, the same bytes."""

import json

import pandas as pd
import pytest
from distributed import LocalCluster
from little_run import configuration, little_run

from qsmbench.cli.main import main

SET, RUN = "test", "tkd"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dask")
    config = configuration(folder)
    config["methods"] = {RUN: {}}
    return little_run(folder, config)


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as found:
        yield found.scheduler_address


def step(results, name, *arguments):
    return main(["step", name, str(results / "provenance" / "config.json"), "--set", SET, *arguments])


def record(results, name):
    """The files that the job of a step read, as its record lists them."""
    for path in (results / "provenance" / "jobs").glob(f"{name}-*.json"):
        content = json.loads(path.read_text())
        if content["wildcards"]["set"] == SET:
            return content["inputs"]
    raise AssertionError(f"no record of {name}")


def test_scores_are_the_same_bytes_and_the_record_lists_the_same_files(results, cluster, monkeypatch):
    scores = results / "scores" / SET / f"{RUN}.parquet"
    alone, read = scores.read_bytes(), record(results, "evaluate")
    assert any("reconstructions" in path for path in read)
    scores.unlink()
    monkeypatch.setenv("QSMBENCH_RECORDS", str(results / "provenance" / "jobs"))
    monkeypatch.setenv("QSMBENCH_DASK", cluster)
    assert step(results, "evaluate", "--run", RUN) == 0
    assert scores.read_bytes() == alone
    assert record(results, "evaluate") == read
    assert len(pd.read_parquet(scores)) > 0


def test_a_contact_sheet_and_its_tables_are_the_same_bytes(results, cluster, tmp_path):
    [store] = results.glob(f"synthetic/{SET}.zarr")
    for name, more in (("alone", []), ("spread", ["--dask", cluster])):
        assert main(["inspect", str(store), "--out-dir", str(tmp_path / name), "--samples", "2", *more]) == 0
    made = sorted(path.name for path in (tmp_path / "alone").iterdir())
    assert len(made) == 4
    for name in made:
        assert (tmp_path / "alone" / name).read_bytes() == (tmp_path / "spread" / name).read_bytes()


def test_what_a_worker_cannot_read_ends_in_one_line(results, cluster, capsys):
    maps = next(path for path in (results / "reconstructions" / SET / RUN).rglob("c/0/**/*") if path.is_file())
    scores = results / "scores" / SET / f"{RUN}.parquet"
    before, content = scores.read_bytes(), maps.read_bytes()
    maps.write_bytes(b"nothing of the kind")
    try:
        assert step(results, "evaluate", "--run", RUN, "--dask", cluster) == 2
    finally:
        maps.write_bytes(content)
    assert "Traceback" not in capsys.readouterr().err
    assert scores.read_bytes() == before


@pytest.mark.parametrize(
    ("address", "said"), [("tcp://127.0.0.1:9", "no dask scheduler answers there"), ("nonsense", "no dask scheduler")]
)
def test_no_cluster_there_is_said_in_one_line(results, address, said, capsys, monkeypatch):
    monkeypatch.setattr("qsmbench.benchmark.dask_cluster._PATIENCE", 1)
    assert step(results, "evaluate", "--run", RUN, "--dask", address) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert said in line


def test_workers_with_several_threads_are_refused(results, capsys):
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=True, dashboard_address=":0") as found:
        assert step(results, "evaluate", "--run", RUN, "--dask", found.scheduler_address) == 2
    assert "--nthreads 1" in capsys.readouterr().err
