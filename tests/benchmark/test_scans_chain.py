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

from qsmbench.benchmark.acquisition import TRUTH, acquire_subject, protocol_of, read_truth, write_dataset
from qsmbench.benchmark.disk import disk_need
from qsmbench.benchmark.plan import display
from qsmbench.benchmark.subjects import (
    evaluate_fields,
    evaluate_subjects,
    prepared_scans,
    reconstruct_subjects,
    scan_of,
)
from qsmbench.config.load import check_config
from qsmbench.config.model import SimulatedSet
from qsmbench.core.errors import InputError
from qsmbench.data.disk import folder_bytes
from qsmbench.data.nifti import read_volume
from qsmbench.metrics.registry import METRICS, map_metrics, score
from qsmbench.preparation.dataset import prepare_bids
from qsmbench.report.display import Display
from qsmbench.report.results import find_results
from qsmbench.report.scans import ScanVolumes, read_fields
from qsmbench.report.scans import read_scan as read_for_report
from qsmbench.report.viewer import build_viewer

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
    raw, prepared, maps = folder / "acquisitions/little", folder / "prepared/little", folder / "chimaps/little/tkd"
    write_dataset(spec, "little", raw)
    acquire_subject(spec, "little", SUBJECT, 2019, raw)
    prepare_bids(raw, prepared, spec.preparation, [SUBJECT])
    reconstruct_subjects(
        prepared=prepared,
        subjects=[SUBJECT],
        method="tkd",
        options={"threshold": 0.2},
        weights=None,
        out=maps,
        status=maps.with_suffix(".json"),
        timings=folder / "timings/scans/little/tkd.csv",
    )
    return folder


def test_images_have_the_protocols_geometry_and_b0_15_degrees_off(spec, results):
    path = results / f"acquisitions/little/sub-{SUBJECT}/anat/sub-{SUBJECT}_echo-1_part-mag_MEGRE.nii.gz"
    volume = read_volume(path)
    assert volume.data.shape == protocol_of(spec).matrix == (72, 72, 34)
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


def test_a_method_sees_everything_but_the_truth(spec, results):
    (item,) = prepared_scans(results / "prepared/little", [SUBJECT])
    scan = scan_of(item)
    assert scan.echo_times == protocol_of(spec).echo_times
    assert scan.b0 == 3.0
    assert scan.magnitude is not None
    assert scan.field_noise is not None
    assert np.rad2deg(np.arccos(scan.grid.b0_dir[2])) == pytest.approx(15, abs=1e-3)
    assert not hasattr(scan, "chi")


def test_scores_are_taken_where_brain_and_field_are_known(results, tmp_path):
    maps = results / "chimaps/little/tkd"
    evaluate_subjects(
        set_name="little",
        run_name="tkd",
        truth=results / "acquisitions/little",
        prepared=results / "prepared/little",
        subjects=[SUBJECT],
        maps=maps,
        status=maps.with_suffix(".json"),
        metrics=["rmse", "xsim"],
        seed=2019,
        out=tmp_path / "scores.parquet",
    )
    scores = pd.read_parquet(tmp_path / "scores.parquet").set_index("metric")
    assert list(scores.index) == ["rmse", "xsim", "coverage"]
    assert set(scores["subject"]) == {SUBJECT}
    truth = read_truth(results / "acquisitions/little", SUBJECT)
    (item,) = prepared_scans(results / "prepared/little", [SUBJECT])
    known = (read_volume(item.path("local_mask")).data > 0) & truth.reference.mask
    estimate = read_volume(item.chimap(maps)).data
    expected = score(estimate, truth.reference.chi, known, truth.reference.grid.voxel_size, ["rmse"])
    assert scores.loc["rmse", "value"] == expected["rmse"]
    assert scores.loc["coverage", "value"] == pytest.approx(known.sum() / truth.reference.mask.sum(), rel=1e-3)


def test_the_total_field_is_found_and_the_table_says_so(results, tmp_path):
    evaluate_fields(
        truth=results / "acquisitions/little",
        prepared=results / "prepared/little",
        subjects=[SUBJECT],
        out=tmp_path / "fields.csv",
    )
    total, local = read_fields(tmp_path / "fields.csv")
    assert (total.field, local.field) == ("total", "local")
    assert float(total.correlation) > 0.95
    assert 0.2 < float(local.coverage) < float(total.coverage) <= 1.0


def test_the_report_finds_every_volume(spec, results):
    config = check_config(
        {
            "results": str(results),
            "acquisitions": {"little": spec.model_dump(mode="json")},
            "methods": {"tkd": {"options": {"threshold": 0.2}}, "l2": {}},
        }
    )
    (results / "chimaps/little/l2").mkdir()
    found = find_results(results, Display.model_validate(display(config)))
    assert found.fields == {}, "the fields were not evaluated here"
    (files,) = found.scans["little"]
    subject, swi = read_for_report(files)
    assert swi is not None
    assert subject.chi_ref.shape == subject.mask.shape == swi.shape
    assert subject.estimates["tkd"] is not None
    assert subject.estimates["l2"] is None, "no map: that reconstruction failed"
    assert subject.oriented
    shown = Display.model_validate(display(config))
    viewer = build_viewer({"little": ScanVolumes([files])}, shown, 24.0)
    assert viewer is not None
    (entry,) = viewer.index["sets"]
    maps = {m["key"]: m["id"] is not None for m in entry["subjects"][0]["maps"]}
    assert maps == {"reference": True, "tkd": True, "l2": False, "local-field": True}


def test_the_disk_plan_counts_scans(spec, results):
    config = check_config({"acquisitions": {"little": spec.model_dump(mode="json")}, "methods": {"tkd": {}}})
    need = disk_need(config)
    assert list(need) == ["little", "reconstructions"]
    scans = folder_bytes(results / "acquisitions") + folder_bytes(results / "prepared")
    # Sidecars weigh on scans as little as these, and what has little noise compresses well.
    assert 0.5 * need["little"] < scans < 1.2 * need["little"]
    own = check_config({"acquisitions": {"mine": {"kind": "bids", "folder": "x"}}, "methods": {"tkd": {}}})
    assert disk_need(own) == {"reconstructions": 0}


def test_maps_say_how_the_iterations_went_and_scores_are_of_every_kind(results, tmp_path):
    maps = tmp_path / "ilsqr"
    arguments = {"prepared": results / "prepared/little", "subjects": [SUBJECT], "status": tmp_path / "ilsqr.json"}
    timings = tmp_path / "timings.csv"
    options = {"max_iterations": 3}
    reconstruct_subjects(method="ilsqr", options=options, weights=None, out=maps, timings=timings, **arguments)
    sidecar = json.loads((maps / f"sub-{SUBJECT}/anat/sub-{SUBJECT}_Chimap.json").read_text())
    assert sidecar["Convergence"]
    assert all(course["values"] for course in sidecar["Convergence"])
    assert pd.read_csv(timings)["peak_mb"].item() > 50
    evaluate_subjects(
        set_name="little",
        run_name="ilsqr",
        truth=results / "acquisitions/little",
        maps=maps,
        metrics=list(METRICS),
        seed=1,
        out=tmp_path / "scores.parquet",
        **arguments,
    )
    metrics = set(pd.read_parquet(tmp_path / "scores.parquet")["metric"])
    assert metrics == {*map_metrics(), "data_consistency", "cone_streaking"}, "labels are not known"


def test_a_failed_method_is_a_row(results, tmp_path):
    maps = tmp_path / "maps"
    reconstruct_subjects(
        prepared=results / "prepared/little",
        subjects=[SUBJECT],
        method="tkd",
        options={},
        weights=None,
        out=maps,
        status=tmp_path / "maps.json",
        timings=tmp_path / "timings.csv",
    )
    status = json.loads((tmp_path / "maps.json").read_text())
    status["scans"][0] |= {"status": "failed", "message": "out of luck", "sha256": ""}
    (tmp_path / "maps.json").write_text(json.dumps(status))
    evaluate_subjects(
        set_name="little",
        run_name="tkd",
        truth=results / "acquisitions/little",
        prepared=results / "prepared/little",
        subjects=[SUBJECT],
        maps=maps,
        status=tmp_path / "maps.json",
        metrics=["rmse"],
        seed=1,
        out=tmp_path / "scores.parquet",
    )
    scores = pd.read_parquet(tmp_path / "scores.parquet")
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
    for folder in ("acquisitions/little", f"acquisitions/little/{TRUTH}", "chimaps/little/tkd"):
        done = subprocess.run(
            [validator, "--format", "json", str(results / folder)], capture_output=True, text=True, check=False
        )
        issues = json.loads(done.stdout)["issues"]["issues"]
        assert [i for i in issues if i["severity"] == "error"] == [], folder
