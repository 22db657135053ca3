import json
import shutil

import numpy as np
import pytest

from qsmbench.core.errors import InputError
from qsmbench.data.measured import (
    MeasuredFiles,
    keep_measured,
    measured_files,
    reference_names,
    reference_path,
    scored_region,
)
from qsmbench.data.nifti import read_volume, write_volume
from qsmbench.data.scan_nifti import read_scan

SHAPE = (9, 8, 7)
AFFINE = np.diag([1.0, 1.1, 2.0, 1.0])


@pytest.fixture
def head(tmp_path):
    folder = tmp_path / "a_head"
    folder.mkdir()
    rng = np.random.default_rng(4)
    mask = np.zeros(SHAPE, bool)
    mask[1:-1, 1:-1, 1:-1] = True
    core = np.zeros(SHAPE, np.uint8)
    core[2:-2, 2:-2, 0:4] = 1
    volumes = {
        "local_field": 0.01 * rng.standard_normal(SHAPE),
        "mask": mask.astype(np.uint8),
        "magnitude": 1 + rng.random(SHAPE),
        "chi_33": 0.03 * rng.standard_normal(SHAPE),
        "chi_cosmos": 0.03 * rng.standard_normal(SHAPE),
        "core": core,
    }
    volumes["local_field"][0, 0, 0] = np.nan
    for name, data in volumes.items():
        write_volume(folder / f"{name}.nii.gz", data, AFFINE)
    return folder


def test_a_plain_folder_is_one_scan_and_its_truths(head, tmp_path):
    (files,) = measured_files(head)
    assert files.name == "ahead" and list(files.references) == ["chi_cosmos", "chi_33"]
    scan = keep_measured(files, tmp_path / "out")
    assert reference_names(scan) == {"chicosmos": "chi_cosmos", "chi33": "chi_33"}
    kept = read_scan(scan.path("local_field"), scan.path("local_mask"), magnitude=scan.path("magnitude"))
    original = read_volume(head / "local_field.nii.gz", finite=False).data
    inside = kept.mask.numpy()
    np.testing.assert_array_equal(kept.local_field.numpy()[inside], original[inside])
    chi = read_volume(reference_path(scan, "chi33")).data
    np.testing.assert_array_equal(chi[inside], read_volume(head / "chi_33.nii.gz").data[inside])
    region = scored_region(scan)
    assert region.sum() == 5 * 4 * 3 and not (region & ~inside).any()


def test_folders_of_folders_and_its_own_derivative_are_read_alike(head, tmp_path):
    shutil.copytree(head, tmp_path / "many/sub-2")
    shutil.copytree(head, tmp_path / "many/sub-1")
    many = measured_files(tmp_path / "many")
    assert [files.name for files in many] == ["1", "2"]
    kept = [keep_measured(files, tmp_path / "kept") for files in many]
    again = measured_files(tmp_path / "kept")
    assert [files.name for files in again] == ["1", "2"]
    assert list(again[0].references) == ["chicosmos", "chi33"] and again[0].region is not None
    second = keep_measured(again[0], tmp_path / "again")
    assert second.path("local_field").read_bytes() == kept[0].path("local_field").read_bytes()


def test_a_direction_of_b0_is_kept(head, tmp_path):
    field, mask = head / "local_field.nii.gz", head / "mask.nii.gz"
    scan = keep_measured(MeasuredFiles("x", field, mask, b0_dir=(0, 1, 0), b0=3.0, echo_times=(0.02,)), tmp_path / "o")
    about = json.loads(scan.path("local_field").with_name("sub-x_desc-local_fieldmap.json").read_text())
    assert about["B0_dir"] == [0, 1, 0] and about["MagneticFieldStrength"] == 3 and about["EchoTimes"] == [0.02]
    assert reference_names(scan) == {}


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("local_field", lambda v: v * 1000, "in ppm has some"),
        ("local_field", lambda v: np.full_like(v, np.nan), "not finite in 210 voxels"),
        ("core", lambda v: np.eye(9, 8)[..., None] * (np.arange(7) == 0), "no voxel inside"),
        ("magnitude", lambda v: v[:-1], "shape"),
    ],
)
def test_what_will_not_do_is_said(head, tmp_path, name, change, message):
    volume = read_volume(head / f"{name}.nii.gz", finite=False)
    write_volume(head / f"{name}.nii.gz", change(volume.data).astype(np.float32), AFFINE)
    (files,) = measured_files(head)
    with pytest.raises(InputError, match=message):
        keep_measured(files, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*fieldmap.nii.gz"))


def test_folders_without_a_field(head, tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        measured_files(tmp_path / "absent")
    (head / "mask.nii.gz").unlink()
    with pytest.raises(InputError, match=r"no mask\.nii\.gz"):
        measured_files(head)
    (head / "local_field.nii.gz").unlink()
    with pytest.raises(InputError, match=r"holds no local_field\.nii\.gz"):
        measured_files(head)
