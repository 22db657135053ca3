"""One little simulated set through every step that the workflow's rules call."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_run import write_head

from qsmbench.benchmark.acquisition import acquire_subject, write_dataset
from qsmbench.benchmark.disk import disk_need
from qsmbench.benchmark.display import display
from qsmbench.benchmark.evaluation import evaluate
from qsmbench.benchmark.fields import evaluate_fields
from qsmbench.benchmark.reconstruction import reconstruct
from qsmbench.benchmark.run import Run
from qsmbench.config.load import check_config
from qsmbench.core.errors import InputError
from qsmbench.data.disk import folder_bytes
from qsmbench.data.layout import TRUTH, RunLayout
from qsmbench.data.nifti import read_volume
from qsmbench.data.prepared import prepared_scans
from qsmbench.data.truth import read_truth
from qsmbench.metrics.registry import METRICS, map_metrics, score
from qsmbench.preparation.dataset import prepare_bids
from qsmbench.report.chosen import Choice
from qsmbench.report.display import Display
from qsmbench.report.pictures import read_fields
from qsmbench.report.viewer import build_viewer
from qsmbench.report.volumes import SetVolumes
from qsmbench.sets.simulated import SimulatedSet

SUBJECT = "oblique"


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    folder = tmp_path_factory.mktemp("head")
    write_head(folder / "chi.nii.gz", (40, 50, 42), 3.5)
    return SimulatedSet.model_validate(
        {
            "kind": "simulated",
            "protocol": "clinical",
            "subjects": [SUBJECT],
            "scale": [4, 4, 1.5],
            "source": {"kind": "nifti", "chi": str(folder / "chi.nii.gz")},
            "preparation": {"mask": {"method": "threshold"}, "background": {"kind": "resharp", "radius": 9}},
        }
    )


@pytest.fixture(scope="module")
def results(spec, tmp_path_factory):
    """All steps, in the workflow's layout."""
    folder = tmp_path_factory.mktemp("results")
    layout = RunLayout(folder)
    write_dataset(spec, "little", layout.raw("little"))
    acquire_subject(spec, "little", SUBJECT, 2019, layout.raw("little"))
    prepare_bids(layout.raw("little"), layout.prepared("little"), spec.preparation, [SUBJECT])
    run_method(spec.open(layout, "little"), "tkd", {"threshold": 0.2})
    return folder


def run_method(scans, method, options):
    layout = scans.layout
    files = {"out": layout.maps("little", method), "status": layout.map_status("little", method)}
    reconstruct(scans, method=method, options=options, weights=None, timings=layout.timings("little", method), **files)


def score_method(scans, method, metrics, out, seed=2019):
    layout = scans.layout
    files = {"maps": layout.maps("little", method), "status": layout.map_status("little", method)}
    evaluate(scans, method, metrics=metrics, seed=seed, out=out, **files)
    return pd.read_parquet(out)


@pytest.fixture
def scans(spec, results):
    """The set, opened."""
    return spec.open(RunLayout(results), "little")


def test_images_have_the_protocols_geometry_and_b0_15_degrees_off(spec, results):
    path = results / f"acquisitions/little/sub-{SUBJECT}/anat/sub-{SUBJECT}_echo-1_part-mag_MEGRE.nii.gz"
    volume = read_volume(path)
    assert volume.data.shape == spec.sequence.matrix == (72, 72, 34)
    assert np.rad2deg(np.arccos(volume.affine[2, 2] / volume.voxel_size[2])) == pytest.approx(15, abs=1e-3)
    assert json.loads(path.with_name(path.name.replace("nii.gz", "json")).read_text())["EchoTime"] == 0.0126


def test_the_same_subject_again_is_the_same_bytes(spec, results, tmp_path):
    acquire_subject(spec, "little", SUBJECT, 2019, tmp_path)
    raw = results / "acquisitions/little"
    files = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*.*") if p.is_file())
    assert len(files) == 2 * 14 + 8
    for file in files:
        assert (tmp_path / file).read_bytes() == (raw / file).read_bytes(), file


def test_another_seed_is_another_scan_of_the_same_head(spec, results, tmp_path):
    acquire_subject(spec, "little", SUBJECT, 2020, tmp_path)
    ours, theirs = (read_truth(f, SUBJECT) for f in (results / "acquisitions/little", tmp_path))
    assert np.array_equal(ours.reference.chi, theirs.reference.chi)
    assert not np.array_equal(ours.total_field, theirs.total_field)


def test_a_method_sees_everything_but_the_truth(spec, scans):
    assert list(scans.names) == [SUBJECT]
    scan = scans.scan(SUBJECT)
    assert scan.echo_times == spec.sequence.echo_times
    assert scan.b0 == 3.0
    assert scan.magnitude is not None
    assert scan.field_noise is not None
    assert np.rad2deg(np.arccos(scan.grid.b0_dir[2])) == pytest.approx(15, abs=1e-3)
    assert not hasattr(scan, "chi")


def test_scores_are_taken_where_brain_and_field_are_known(results, scans, tmp_path):
    scores = score_method(scans, "tkd", ["rmse", "xsim"], tmp_path / "scores.parquet").set_index("metric")
    assert list(scores.index) == ["rmse", "xsim", "coverage"]
    assert set(scores["subject"]) == {SUBJECT}
    truth = read_truth(results / "acquisitions/little", SUBJECT)
    (item,) = prepared_scans(results / "prepared/little", [SUBJECT])
    known = (read_volume(item.path("local_mask")).data > 0) & truth.reference.mask
    estimate = read_volume(item.chimap(results / "reconstructions/little/tkd")).data
    expected = score(estimate, truth.reference.chi, known, truth.reference.grid.voxel_size, ["rmse"])
    assert scores.loc["rmse", "value"] == expected["rmse"]
    # Of the whole brain, not of the part of it that background removal left.
    covered = ((estimate != 0) & known).sum() / truth.reference.mask.sum()
    assert scores.loc["coverage", "value"] == pytest.approx(covered, rel=1e-12)
    assert covered < 0.9


def test_the_total_field_is_found_and_the_table_says_so(scans, tmp_path):
    evaluate_fields(scans, tmp_path / "fields.csv")
    total, local = read_fields(tmp_path / "fields.csv")
    assert (total.field, local.field) == ("total", "local")
    assert float(total.correlation) > 0.95
    assert 0.2 < float(local.coverage) < float(total.coverage) <= 1.0
    assert (total.harmonic, total.told) == ("", "")
    assert 0 < float(local.told) < float(local.nrmse)
    assert 0 < float(local.harmonic) < 100
    assert float(local.noise) > 0


def test_the_report_reads_every_volume(spec, results, scans):
    config = check_config(
        {
            "results": str(results),
            "acquisitions": {"little": spec.model_dump(mode="json")},
            "methods": {"tkd": {"options": {"threshold": 0.2}}, "l2": {}},
        }
    )
    volumes = SetVolumes(scans, ["tkd", "l2"])
    subject = volumes.read(0)
    assert subject.companion is not None
    assert subject.chi_ref.shape == subject.mask.shape == subject.companion.shape
    assert subject.estimates["tkd"] is not None
    assert subject.estimates["l2"] is None, "no map: that reconstruction failed"
    assert subject.oriented
    shown = Display.model_validate(display(Run(config)))
    viewer = build_viewer({"little": volumes}, shown, 24.0, {"little": [Choice(0, volumes.names[0], "the only one")]})
    assert viewer is not None
    (entry,) = viewer.index["sets"]
    maps = {m["key"]: m["there"] for m in entry["subjects"][0]["maps"]}
    assert maps == {"reference": True, "tkd": True, "l2": False, "local-field": True}


def test_the_disk_plan_counts_scans(spec, results):
    config = check_config({"acquisitions": {"little": spec.model_dump(mode="json")}, "methods": {"tkd": {}}})
    need = disk_need(Run(config))
    assert list(need) == ["little", "reconstructions", "inspection", "report"] and need["inspection"] == 0
    scans = folder_bytes(results / "acquisitions") + folder_bytes(results / "prepared")
    # Sidecars weigh on scans as little as these, and what has little noise compresses well.
    assert 0.5 * need["little"] < scans < 1.2 * need["little"]
    own = check_config({"acquisitions": {"mine": {"kind": "bids", "folder": "x"}}, "methods": {"tkd": {}}})
    assert disk_need(Run(own))["reconstructions"] == 0 < disk_need(Run(own))["report"]


def test_maps_say_how_the_iterations_went_and_scores_are_of_every_kind(results, scans, tmp_path):
    run_method(scans, "ilsqr", {"max_iterations": 3})
    maps = results / "reconstructions/little/ilsqr"
    sidecar = json.loads((maps / f"sub-{SUBJECT}/anat/sub-{SUBJECT}_Chimap.json").read_text())
    assert sidecar["Convergence"]
    assert all(course["values"] for course in sidecar["Convergence"])
    assert pd.read_csv(results / "timings/little/ilsqr.csv")["peak_mb"].item() > 50
    metrics = set(score_method(scans, "ilsqr", [], tmp_path / "scores.parquet", seed=1)["metric"])
    assert metrics == {*map_metrics(), "data_consistency", "cone_streaking"}, "labels are not known"
    assert metrics < set(METRICS)


def test_a_failed_method_is_a_row(results, scans, tmp_path):
    status = json.loads((results / "reconstructions/little/tkd.json").read_text())
    status["scans"][0] |= {"status": "failed", "message": "out of luck", "sha256": ""}
    (results / "reconstructions/little/unlucky.json").write_text(json.dumps(status))
    scores = score_method(scans, "unlucky", ["rmse"], tmp_path / "scores.parquet")
    assert set(scores["status"]) == {"failed"}
    assert scores["value"].isna().all()


def test_a_subject_that_was_not_prepared_is_one_clear_line(results):
    with pytest.raises(InputError, match="no local field of sub-nobody; prepare it first"):
        prepared_scans(results / "prepared/little", ["nobody"])


def test_the_dataset_is_valid_bids(results):
    """With the official validator (`bids-validator-deno`, one of the development packages)."""
    # Beside the interpreter, whether or not its environment is active.
    places = os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()])
    validator = shutil.which("bids-validator-deno", path=places)
    if validator is None:
        pytest.skip("bids-validator-deno is not installed (pip install -e .[dev])")
    for folder in ("acquisitions/little", f"acquisitions/little/{TRUTH}", "reconstructions/little/tkd"):
        done = subprocess.run(
            [validator, "--format", "json", str(results / folder)], capture_output=True, text=True, check=False
        )
        issues = json.loads(done.stdout)["issues"]["issues"]
        assert [i for i in issues if i["severity"] == "error"] == [], folder
