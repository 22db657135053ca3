"""Measured fields from a folder, a list, and the 2016 archive behind a server, through reconstruction and scores."""

import gzip
import io
import json
import zipfile

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from file_server import serving
from pydantic import ValidationError

from qsmbench.benchmark.run import Run
from qsmbench.benchmark.steps.registry import STEPS, jobs
from qsmbench.config.model import Config
from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.core.seeds import generator_for
from qsmbench.data.nifti import write_volume
from qsmbench.metrics.case import WHOLE_MASK
from qsmbench.simulation.error_model import measured_like
from qsmbench.simulation.smooth_fields import power_law_field

SHAPE, SIZE = (26, 30, 22), (1.0625, 1.0625, 15 / 14)
AFFINE = np.diag([*SIZE, 1.0])
GRID = Grid(SHAPE, SIZE)
METRICS = ("rmse", "nrmse_demeaned")


@pytest.fixture(scope="module")
def head():
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    mask = x**2 + y**2 + z**2 < 0.7
    chi = np.where(mask, 0.03 * power_law_field(GRID, 1.5, generator_for("measured set")), 0).astype(np.float32)
    field = measured_like(chi, mask, GRID, generator_for("measured set", 1))
    return {
        "phs_tissue": field.local_field, "msk": mask.astype(np.float32), "magn": 1 + mask.astype(np.float32),
        "chi_cosmos": chi, "chi_33": (1.1 * chi + 0.01 * mask).astype(np.float32),
    }  # fmt: skip


def archive(volumes):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, data in volumes.items():
            content = gzip.compress(nib.Nifti1Image(data, AFFINE).to_bytes(), mtime=0)
            packed.writestr(f"20170327_qsm2016_recon_challenge/data/{name}.nii.gz", content)
    return buffer.getvalue()


def plain(head, folder):
    folder.mkdir(parents=True)
    names = {"phs_tissue": "local_field", "msk": "mask", "chi_cosmos": "chi_cosmos", "chi_33": "chi_33"}
    for theirs, ours in names.items():
        write_volume(folder / f"{ours}.nii.gz", head[theirs], AFFINE)
    region = head["msk"] * (np.arange(SHAPE[0]) < SHAPE[0] // 2)[:, None, None]
    write_volume(folder / "region.nii.gz", region.astype(np.uint8), AFFINE)
    return folder


def finished(tmp_path, spec):
    """The run of one set and one method, step by step as the workflow runs them."""
    config = {"results": str(tmp_path / "results"), "acquisitions": {"measured": spec}, "methods": {"tkd": {}}}
    of = Run(Config.model_validate(config | {"evaluation": {"metrics": METRICS}}))
    for job in jobs(of):
        if job.rule in {"keep_measured", "reconstruct"}:
            step = STEPS[job.rule]
            assert json.dumps(step.told(of, *job.wildcards))
            step.run(of, *job.wildcards)
    if of.scored:
        STEPS["evaluate"].run(of, "measured", "tkd")
        STEPS["collect_scores"].run(of)
        return of, pd.read_parquet(of.layout.all_scores)
    return of, None


def test_the_2016_challenge_is_one_line(tmp_path, head):
    with serving() as site:
        site.content = archive(head)
        spec = {"kind": "challenge2016", "cache": str(tmp_path / "cache"), "url": site.url("challenge.zip")}
        of, scores = finished(tmp_path, spec)
    scans = of.sets["measured"]
    assert scans.members == ("head",) and scans.inputs() == [of.layout.measured_subject("measured", "head")]
    scan = scans.scan("head")
    assert scan.grid.voxel_size == pytest.approx(SIZE, abs=1e-6) and scan.grid.b0_dir == (0, 0, 1)
    assert scan.magnitude is not None and scan.b0 == pytest.approx(2.8936) and scan.echo_times == (0.025,)
    np.testing.assert_array_equal(scan.local_field, torch.from_numpy(head["phs_tissue"]) * scan.mask)
    assert set(scores["region"]) == {WHOLE_MASK, "against chi_33"}
    found = {(row.metric, row.region): row.value for row in scores.itertuples()}
    inside = head["msk"] > 0
    chi = scans.read_map(of.layout.maps("measured", "tkd"), "head")[inside].astype(float)
    for region, name in (WHOLE_MASK, "chi_cosmos"), ("against chi_33", "chi_33"):
        truth = head[name][inside].astype(float)
        error = 100 * np.linalg.norm(chi - truth) / np.linalg.norm(truth)
        assert found["rmse", region] == pytest.approx(error, rel=1e-4)
    assert found["nrmse_demeaned", "against chi_33"] != found["rmse", "against chi_33"]
    assert (scores["status"] == "ok").all()


def test_a_folder_is_scored_on_its_region(tmp_path, head):
    of, scores = finished(tmp_path, {"kind": "measured", "folder": str(plain(head, tmp_path / "head-1"))})
    reference = of.sets["measured"].reference("head1")
    assert of.sets["measured"].members == ("head1",)
    assert 0.4 < reference.mask.sum() / head["msk"].sum() < 0.6
    assert np.isfinite(scores["value"]).all() and set(scores["region"]) == {WHOLE_MASK, "against chi_33"}
    # The folder may be gone: what the run kept is enough.
    gone = Run(
        Config.model_validate(of.resolved | {"acquisitions": {"measured": {"kind": "measured", "folder": "gone"}}})
    )
    assert gone.sets["measured"].members == ("head1",) and gone.sets["measured"].scored


def test_a_list_without_references_gets_maps_and_no_scores(tmp_path, head):
    folder = plain(head, tmp_path / "x")
    scan = {"local_field": str(folder / "local_field.nii.gz"), "mask": str(folder / "mask.nii.gz"), "b0_dir": [0, 1, 0]}
    of, _ = finished(tmp_path, {"kind": "measured", "scans": [{"name": "a", **scan}, {"name": "b", **scan}]})
    assert of.scored == [] and of.sets["measured"].members == ("a", "b")
    assert of.sets["measured"].read_map(of.layout.maps("measured", "tkd"), "b").any()
    assert of.sets["measured"].scan("a").grid.b0_dir == (0, 1, 0)


def configured(**spec):
    return Config.model_validate({"acquisitions": {"m": {"kind": "measured", **spec}}, "methods": {"tkd": {}}})


def test_what_does_not_fit_together_is_refused(tmp_path, head):
    scan = {"name": "a", "local_field": "f", "mask": "m"}
    for spec in {}, {"folder": "x", "scans": [scan]}:
        with pytest.raises(ValidationError, match="either folder or scans"):
            configured(**spec)
    with pytest.raises(ValidationError, match="listed twice"):
        configured(scans=[scan, scan])
    path = tmp_path / "challenge.zip"
    path.write_bytes(archive({key: value for key, value in head.items() if key != "phs_tissue"}))
    with pytest.raises(InputError, match="no phs_tissue"):
        finished(tmp_path, {"kind": "challenge2016", "archive": str(path), "cache": str(tmp_path / "c")})
    with pytest.raises(InputError, match=r"acquisitions\.m\.folder"):
        _ = Run(configured(folder=str(tmp_path / "no"))).sets["m"].members
