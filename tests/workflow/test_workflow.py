"""The rules, run for real on a tiny configuration: complete, repaired shard by shard, the same on any cores."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from tiny_run import ROOT, planned, run, snakemake, tiny

pytestmark = pytest.mark.workflow


def test_it_ends_with_scores_tables_and_a_page(finished):
    results = finished / "results"
    scores = pd.read_parquet(results / "scores.parquet")
    assert set(scores["method"]) == {"tkd", "tkd-tuned", "l2", "meta"}
    assert set(scores.loc[scores["set"] == "test", "subject"]) == {"00000", "00001", "00002"}
    assert set(scores.loc[scores["set"] == "scans", "subject"]) == {"oblique"}
    assert {"rmse", "hfen", "ssim", "xsim", "coverage"} <= set(scores["metric"])
    assert (scores["status"] == "ok").all()
    # A calcification that a map does not show has no streak.
    assert scores.loc[scores["metric"] != "calcification_streak", "value"].notna().all()
    assert scores.loc[scores["method"] == "meta", "weights_hash"].str.len().eq(64).all()
    assert scores["data_hash"].nunique() == 4
    page = (results / "report/index.html").read_text()
    assert "Meta-QSM" in page
    assert "data:image/png;base64," in page
    for name in ("train", "test"):
        assert f"inspect-{name}-contact-sheet" in page
        samples = pd.read_csv(results / f"inspect/{name}/samples.csv")
        assert len(samples) == {"train": 6, "test": 3}[name]
    for kind in ("csv", "md", "tex"):
        assert (results / f"report/tables/test.{kind}").stat().st_size > 200
        assert (results / f"report/tables/scans.{kind}").stat().st_size > 200
        assert "Table 1" in page
        assert "xsim" not in (results / f"report/tables/table-1.{kind}").read_text().lower()
    assert "Comparisons with" not in page, "three subjects are too few to compare"
    runtime = pd.read_csv(results / "report/runtime.csv")
    assert set(zip(runtime["set"], runtime["method"], strict=True)) == {
        (name, method) for name in ("test", "scans") for method in ("tkd", "tkd-tuned", "l2", "meta")
    }


def test_scans_go_from_echoes_to_maps(finished):
    results = finished / "results"
    raw = results / "acquisitions/scans"
    assert {p.name for p in raw.iterdir()} == {
        *("dataset_description.json", "README", "participants.tsv", "participants.json", "derivatives"),
        "sub-oblique",
    }
    assert len(list((raw / "sub-oblique/anat").glob("*_MEGRE.nii.gz"))) == 8
    for method in ("tkd", "tkd-tuned", "l2", "meta"):
        maps = results / f"reconstructions/scans/{method}"
        assert json.loads((maps / "dataset_description.json").read_text())["DatasetType"] == "derivative"
        assert (maps / "sub-oblique/anat/sub-oblique_Chimap.nii.gz").is_file()
        sidecar = json.loads((maps / "sub-oblique/anat/sub-oblique_Chimap.json").read_text())
        assert sidecar["Units"] == "ppm"
    chosen = json.loads((results / "tuning/tkd-tuned.json").read_text())["options"]
    tuned = json.loads(
        (results / "reconstructions/scans/tkd-tuned/sub-oblique/anat/sub-oblique_Chimap.json").read_text()
    )
    assert tuned["Parameters"]["threshold"] == chosen["threshold"]
    fields = pd.read_csv(results / "scores/fields/scans.csv")
    assert list(fields["field"]) == ["total", "local"]
    total = fields[fields["field"] == "total"]
    assert (total["correlation"] > 0.9).all()
    assert (fields["coverage"] > 0.1).all()
    page = (results / "report/index.html").read_text()
    assert "Prepared fields" in page
    assert "SWI beside chi" in page


def test_tuned_parameters_are_the_best_of_their_grid_and_what_the_row_ran_with(finished):
    chosen = json.loads((finished / "results/tuning/tkd-tuned.json").read_text())
    table = pd.read_csv(finished / "results/tuning/tkd-tuned.csv")
    assert list(table["threshold"]) == [0.05, 0.15, 0.3]
    assert table.loc[table["rmse"].idxmin(), "threshold"] == chosen["options"]["threshold"]
    assert (chosen["set"], chosen["n_samples"], chosen["n_points"]) == ("tune", 1, 3)
    status = json.loads((finished / "results/reconstructions/test/tkd-tuned.json").read_text())
    assert status["options"] == chosen["options"]
    assert "TKD (tuned)" in (finished / "results/report/tables/test.md").read_text()


def test_the_table_of_methods_has_errors_seconds_and_memory(finished):
    text = (finished / "results/methods.md").read_text()
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| ")]
    # A table a set, scans and samples alike.
    assert [row[1].strip() for row in rows] == ["method", "TKD", "TKD (tuned)", "L2", "Meta-QSM"] * 2
    assert rows[0][-3].strip() == "s a volume"
    # Errors, SSIM, seconds and memory; XSIM is a correlation, and that of a network after some steps is about zero.
    n_metrics = len(rows[0]) - 6
    assert [cell.strip() for cell in rows[0][3 : 3 + n_metrics]] == ["RMSE (%)", "HFEN (%)", "SSIM", "XSIM"]
    for row in (*rows[1:5], *rows[6:]):
        *others, xsim = row[3 : 3 + n_metrics]
        assert all(float(cell) > 0 for cell in (*others, *row[-3:-1]))
        assert -1 <= float(xsim) <= 1
    assert "best of 3 choices of threshold on 'tune'" in text


def test_a_second_run_has_nothing_to_do(finished):
    assert planned(finished) == {}


def test_one_core_gives_the_same_bytes(finished, tmp_path):
    for name in ("tiny.yaml", "head.nii.gz"):
        shutil.copy(finished / name, tmp_path / name)
    run(tmp_path, "--cores", "1")
    tables = sorted(p.relative_to(finished) for p in (finished / "results/report/tables").iterdir())
    assert len(tables) >= 4
    hashes = sorted(p.relative_to(finished) for p in (finished / "results/synthetic").rglob("*.json"))
    scans = sorted(
        p.relative_to(finished)
        for folder in ("acquisitions", "prepared", "reconstructions")
        for p in (finished / "results" / folder).rglob("*.nii.gz")
    )
    assert len(scans) > 20
    for path in [
        *tables,
        *hashes,
        *scans,
        Path("results/scores/fields/scans.csv"),
        Path("results/scores.parquet"),
        Path("results/networks/net.csv"),
    ]:
        assert (tmp_path / path).read_bytes() == (finished / path).read_bytes(), path


def test_a_deleted_shard_is_made_again_alone(finished, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    store = folder / "results/synthetic/test.zarr"
    shard = store / "chi/c/1/0/0/0"
    hashes = folder / "results/synthetic/test.hashes/1.json"
    before, stamp = hashes.read_text(), (store / "chi/c/0/0/0/0").stat().st_mtime_ns
    weights = (folder / "results/networks/net.pt").stat().st_mtime_ns
    table = (folder / "results/report/tables/test.csv").read_bytes()
    shard.unlink()
    jobs = planned(folder)
    once = dict.fromkeys(("make_shard", "inspect", "collect_scores", "report", "method_table", "crate"), 1)
    assert jobs == once | {"reconstruct": 4, "evaluate": 4}
    run(folder, "--cores", "2")
    assert hashes.read_text() == before
    assert (store / "chi/c/0/0/0/0").stat().st_mtime_ns == stamp
    assert (folder / "results/networks/net.pt").stat().st_mtime_ns == weights
    assert (folder / "results/report/tables/test.csv").read_bytes() == table
    assert planned(folder) == {}


def test_a_growing_set_keeps_its_shards(finished, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    config = tiny(folder)
    config["synthetic"]["train"]["n_samples"] = 9
    (folder / "tiny.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    # The head was written again with the same content; its time alone must not make everything again.
    assert planned(folder)["make_shard"] == 1


@pytest.mark.parametrize("change", [{"recipe": {"noise": {"enabled": True}}}, {"samples_per_shard": 2}])
def test_another_recipe_makes_every_shard_of_the_set_again_at_once(finished, tmp_path, change):
    """Not in the second run after the change: nothing may be trained on samples of the recipe before."""
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    config = tiny(folder)
    spec = config["synthetic"]["train"]
    spec |= change | ({"recipe": spec["recipe"] | change["recipe"]} if "recipe" in change else {})
    (folder / "tiny.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    jobs = planned(folder)
    assert jobs["make_shard"] == -(-6 // spec["samples_per_shard"])
    assert jobs["train"] == jobs["create_set"] == 1


def test_stored_samples_say_what_they_are(finished):
    with xr.open_zarr(finished / "results/synthetic/test.zarr") as data:
        assert data.sizes == {"sample": 3, "x": 24, "y": 24, "z": 16, "axis": 3}
        assert data.attrs["recipe"]["shape"] == [24, 24, 16]
        assert float(data.voxel_size.min()) >= 3.0
    shard = json.loads((finished / "results/synthetic/test.hashes/0.json").read_text())
    assert [row["sample"] for row in shard["samples"]] == [0, 1]


def test_a_misspelt_key_ends_with_one_line_and_status_2(finished, tmp_path):
    config = tiny(tmp_path) | {"metods": {}}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(config))
    done = snakemake(tmp_path, "--cores", "1")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "qsmbench: config: unknown key 'metods' (did you mean 'methods'?)"
    assert not (tmp_path / "results").exists()


def test_an_unknown_method_is_found_before_any_job(finished, tmp_path):
    config = tiny(tmp_path)
    config["methods"]["tdk"] = {}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(config))
    done = snakemake(tmp_path, "--cores", "1")
    assert done.returncode == 2
    assert "methods.tdk: unknown method 'tdk' (did you mean 'tkd'?)" in done.stderr.splitlines()[-1]


def test_a_run_that_does_not_fit_the_disk_ends_before_its_first_job(tmp_path):
    config = tiny(tmp_path)
    # As many samples as a set may have, of a whole head each.
    config["synthetic"]["train"] |= {"n_samples": 10**6, "samples_per_shard": 10**6}
    config["synthetic"]["train"]["recipe"] |= {"shape": [240, 240, 160]}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(config))
    assert snakemake(tmp_path, "--cores", "1", "--dry-run").returncode == 0
    done = snakemake(tmp_path, "--cores", "1")
    assert done.returncode == 2
    said = [line for line in done.stderr.splitlines() if line.startswith("qsmbench: ")]
    assert said[0].startswith("qsmbench: disk: about 1")
    assert "what is still to be made takes about" in said[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results/source").exists()


def test_the_papers_thirty_thousand_are_one_command(tmp_path):
    """configs/paper.yaml plans 120 shards of 250 a training set, and 10 or 4 a test set, as jobs of less than 5 GB."""
    shutil.copy(ROOT / "configs/paper.yaml", tmp_path / "paper.yaml")
    plan = snakemake(tmp_path, "--cores", "2", "synthetic", "--dry-run", "--quiet", "host", config="paper.yaml")
    assert plan.returncode == 0, plan.stderr[-2000:]
    assert "qsmbench: disk: about" in plan.stderr
    lines = (plan.stdout + plan.stderr).splitlines()
    assert lines.count("rule make_shard:") == 4 * 120 + 3 * 10 + 5 * 4
    assert not any(line.startswith("rule train:") for line in lines)
    shards = re.findall(r"rule make_shard:.*?mem_mb=(\d+)", plan.stdout + plan.stderr, re.DOTALL)
    assert len(shards) == 530 and all(2000 <= int(mb) < 5000 for mb in shards)


def test_a_run_that_is_given_weights_trains_nothing_and_makes_the_same_maps(finished, tmp_path):
    config = tiny(tmp_path)
    del config["acquisitions"]
    weights = finished / "results/networks/net.pt"
    config["networks"] = {"net": {"weights": str(weights)}}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(config))
    assert planned(tmp_path).keys() >= {"copy_weights", "reconstruct"}
    assert "train" not in planned(tmp_path)
    run(tmp_path, "--cores", "2", "results/reconstructions/test/meta.json")
    assert (tmp_path / "results/networks/net.pt").read_bytes() == weights.read_bytes()
    maps = [
        xr.open_zarr(f / "results/reconstructions/test/meta/maps.zarr", consolidated=False)["chi"].values
        for f in (finished, tmp_path)
    ]
    assert np.array_equal(*maps)


def test_weights_that_are_not_there_end_the_run_before_it_starts(tmp_path):
    config = tiny(tmp_path)
    config["networks"]["net"]["start"] = "shipped:nothing"
    config["networks"]["other"] = {"weights": "nowhere.pt"}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(config))
    done = snakemake(tmp_path, "--cores", "1")
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith("qsmbench: ")]
    assert [re.sub("; .*", "", line) for line in lines if "networks." in line] == [
        "qsmbench: config: networks.net.start: no weights are shipped as 'nothing'",
        "qsmbench: config: networks.other.weights: weights file nowhere.pt does not exist",
    ]
