"""The commands as people call them: NIfTI in and out, and one clear line with exit status 2 for bad input."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from qsmbench.cli.main import main
from qsmbench.methods.registry import METHODS


def save(path, data, affine=None):
    nib.save(nib.Nifti1Image(data, np.diag([1.0, 1.0, 1.5, 1.0]) if affine is None else affine), path)
    return str(path)


@pytest.fixture
def files(tmp_path, small_scan, small_chi):
    """A scan on disk: chi, field, mask."""
    affine = np.diag([0.8, 1.0, 2.2, 1.0])
    return {
        "chi": save(tmp_path / "chi.nii.gz", small_chi, affine),
        "field": save(tmp_path / "field.nii.gz", small_scan.local_field.numpy(), affine),
        "mask": save(tmp_path / "mask.nii.gz", small_scan.mask.numpy().astype(np.uint8), affine),
        "out": str(tmp_path / "out" / "result.nii.gz"),
    }


def reconstruct(files, method="tkd", *extra, **changed):
    f = files | changed
    return main(["reconstruct", method, "--local-field", f["field"], "--mask", f["mask"], "--out", f["out"], *extra])


def refused(capsys, status):
    """The one line on standard error of a refused call."""
    assert status == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_methods_lists_every_method_with_its_parameters(capsys):
    assert main(["methods"]) == 0
    text = capsys.readouterr().out
    assert all(f"{entry.label}, doi {entry.doi}" in text for entry in METHODS.values() if entry.doi)
    assert "threshold=0.2: smallest |D| that is divided by" in text
    assert main(["methods", "--json"]) == 0
    listed = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert listed["tkd"]["parameters"]["threshold"]["default"] == 0.2


def test_what_a_method_assumed_or_lacked_is_printed_and_kept(files, capsys):
    assert reconstruct(files, "medi", "--option", "max_iterations=1") == 0
    lines = capsys.readouterr().err.splitlines()
    kept = json.loads(Path(files["out"].replace(".nii.gz", ".json")).read_text())["notes"]
    assert [line for line in lines if line.startswith("qsmbench reconstruct: ")] == [
        f"qsmbench reconstruct: {note}" for note in kept
    ]
    text = " ".join(kept)
    assert all(word in text for word in ("total variation", "3 T assumed", "7 ms assumed", "ended at its limit of 1"))


def test_forward_reconstruct_and_score_work_together(files, capsys, tmp_path):
    field = str(tmp_path / "forward.nii.gz")
    assert main(["forward", "--chi", files["chi"], "--out", field, "--b0-dir", "0.31", "-0.22", "0.92"]) == 0
    option = ("--b0-dir", "0.31", "-0.22", "0.92", "--option", "threshold=0.1")
    assert reconstruct(files, "tkd", *option, field=field) == 0
    capsys.readouterr()
    arguments = ["score", "--estimate", files["out"], "--reference", files["chi"], "--mask", files["mask"]]
    assert main(arguments) == 0
    scores = json.loads(capsys.readouterr().out)
    assert {"rmse", "hfen", "ssim", "xsim"} <= set(scores)
    assert 5 < scores["rmse"] < 60
    assert scores["coverage"] == 1
    image = nib.load(files["out"])
    assert image.get_data_dtype() == np.float32
    np.testing.assert_allclose(image.affine, nib.load(files["chi"]).affine)
    mask = nib.load(files["mask"]).get_fdata() > 0
    assert (image.get_fdata()[~mask] == 0).all()


def test_three_orientations_beat_one(files, capsys, tmp_path):
    directions = [("0", "0", "1"), ("0", "0.866", "0.5"), ("0", "0.866", "-0.5")]
    fields = [str(tmp_path / f"field{i}.nii.gz") for i in range(3)]
    # Without what lies outside the mask, whose field no local chi explains.
    image, mask = nib.load(files["chi"]), nib.load(files["mask"]).get_fdata() > 0
    inside = str(tmp_path / "inside.nii.gz")
    nib.save(nib.Nifti1Image(np.where(mask, image.get_fdata(), 0).astype(np.float32), image.affine), inside)
    for field, b0_dir in zip(fields, directions, strict=True):
        assert main(["forward", "--chi", inside, "--out", field, "--b0-dir", *b0_dir]) == 0
    out = str(tmp_path / "cosmos.nii.gz")
    arguments = ["cosmos", "--local-field", *fields, "--mask", files["mask"], "--out", out]
    arguments += [a for b0_dir in directions for a in ("--b0-dir", *b0_dir)]
    assert main(arguments) == 0
    assert "condition number 2.03, 3 orientations" in capsys.readouterr().out
    made = json.loads((tmp_path / "cosmos.json").read_text())
    assert made["condition_number"] == pytest.approx(2.031, abs=1e-2)
    assert made["convergence"][0]["values"]
    assert main(["score", "--estimate", out, "--reference", files["chi"], "--mask", files["mask"]]) == 0
    assert json.loads(capsys.readouterr().out)["rmse"] < 5
    assert "--b0-dir is given for 2 orientations" in refused(capsys, main(arguments[:-4]))


def test_the_course_of_an_iterative_method_is_written_beside_its_map(files):
    assert reconstruct(files, "tv", "--option", "max_iterations=3") == 0
    beside = json.loads(Path(files["out"]).with_name(Path(files["out"]).name.split(".")[0] + ".json").read_text())
    (course,) = beside["convergence"]
    assert (course["name"], course["converged"], len(course["values"])) == ("TV", False, 3)
    assert beside["parameters"]["max_iterations"] == 3


def test_a_map_scores_perfectly_against_itself(files, capsys):
    main(["score", "--estimate", files["chi"], "--reference", files["chi"], "--mask", files["mask"]])
    scores = json.loads(capsys.readouterr().out)
    assert scores["rmse"] == 0
    assert scores["hfen"] == 0
    assert scores["ssim"] == pytest.approx(1)
    assert scores["xsim"] == pytest.approx(1)


def test_b0_dir_comes_from_an_oblique_affine(tmp_path, small_chi, capsys):
    angle = np.deg2rad(25)
    rotation = np.eye(4)
    rotation[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    oblique = save(tmp_path / "oblique.nii.gz", small_chi, rotation @ np.diag([0.8, 1.0, 2.2, 1.0]))
    from_affine, explicit = str(tmp_path / "a.nii.gz"), str(tmp_path / "b.nii.gz")
    assert main(["forward", "--chi", oblique, "--out", from_affine]) == 0
    direction = [str(v) for v in rotation[2, :3]]
    assert main(["forward", "--chi", oblique, "--out", explicit, "--b0-dir", *direction]) == 0
    np.testing.assert_allclose(nib.load(from_affine).get_fdata(), nib.load(explicit).get_fdata(), atol=1e-7)


def test_missing_file(files, capsys, tmp_path):
    line = refused(capsys, reconstruct(files, field=str(tmp_path / "absent.nii.gz")))
    assert "absent.nii.gz" in line
    assert line.startswith("qsmbench reconstruct: ")


def test_mask_of_another_shape(files, capsys, tmp_path):
    mask = save(tmp_path / "small.nii.gz", np.ones((4, 5, 6), np.uint8))
    line = refused(capsys, reconstruct(files, mask=mask))
    assert "(4, 5, 6)" in line
    assert "(30, 25, 18)" in line
    assert not Path(files["out"]).exists()


def test_field_full_of_nan(files, capsys, tmp_path, small_scan):
    field = save(tmp_path / "nan.nii.gz", np.full(small_scan.grid.shape, np.nan, np.float32), np.diag([0.8, 1, 2.2, 1]))
    line = refused(capsys, reconstruct(files, field=field))
    assert "non-finite" in line
    assert not Path(files["out"]).exists()


def test_volume_of_four_dimensions(files, capsys, tmp_path):
    field = save(tmp_path / "series.nii.gz", np.zeros((30, 25, 18, 3), np.float32))
    line = refused(capsys, reconstruct(files, field=field))
    assert "series.nii.gz" in line
    assert "(30, 25, 18, 3)" in line


def test_unknown_method(files, capsys):
    assert "unknown method 'tdk' (did you mean 'tkd'?)" in refused(capsys, reconstruct(files, "tdk"))


def test_unknown_option(files, capsys):
    line = refused(capsys, reconstruct(files, "tkd", "--option", "treshold=0.1"))
    assert "method tkd has no option 'treshold' (did you mean 'threshold'?)" in line


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (("--option", "threshold=much"), "method tkd, option threshold"),
        (("--option", "threshold=2"), "option threshold must be > 0 and < 1"),
        (("--option", "threshold"), "--option takes NAME=VALUE"),
        (("--b0-dir", "0", "0", "0"), "B0 direction must be a non-zero vector"),
        (("--weights", "w.pt"), "takes no --weights"),
        (("--threads", "0"), "--threads must be at least 1"),
        (("--echo-times", "4", "8"), "echo times must be in seconds"),
    ],
)
def test_unusable_values(files, capsys, extra, message):
    assert message in refused(capsys, reconstruct(files, "tkd", *extra))


def test_weights_that_are_missing_damaged_or_something_else(files, capsys, tmp_path):
    import torch

    assert "give its weights with --weights" in refused(capsys, reconstruct(files, "mesa-qsm"))
    absent = ("--weights", str(tmp_path / "absent.pt"))
    assert "absent.pt does not exist" in refused(capsys, reconstruct(files, "meta-qsm", *absent))
    damaged = tmp_path / "damaged.pt"
    damaged.write_bytes(b"\x80\x02nothing")
    assert "damaged.pt cannot be read as a weights file" in refused(
        capsys, reconstruct(files, "meta-qsm", "--weights", str(damaged))
    )
    other = tmp_path / "other.pt"
    torch.save({"weights": torch.zeros(3)}, other)
    assert "is no qsmbench network" in refused(capsys, reconstruct(files, "meta-qsm", "--weights", str(other)))


def test_meta_qsm_comes_with_its_weights(files):
    assert reconstruct(files, "meta-qsm-tv") == 0
    about = json.loads(Path(files["out"]).with_name(Path(files["out"]).name.replace(".nii.gz", ".json")).read_text())
    assert about["parameters"]["weights"] == "shipped:meta-qsm-tv"


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_truncated_nifti(files, capsys, tmp_path, suffix):
    whole = gzip.decompress(Path(files["field"]).read_bytes())
    if suffix == ".nii.gz":
        whole = gzip.compress(whole)
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole[: len(whole) // 2])
    line = refused(capsys, reconstruct(files, field=str(cut)))
    assert cut.name in line


def test_empty_mask(files, capsys, tmp_path, small_scan):
    mask = save(tmp_path / "empty.nii.gz", np.zeros(small_scan.grid.shape, np.uint8), np.diag([0.8, 1, 2.2, 1]))
    assert "empty" in refused(capsys, reconstruct(files, mask=mask))


def test_unknown_metric(files, capsys):
    arguments = ["--estimate", files["chi"], "--reference", files["chi"], "--mask", files["mask"], "--metric", "rsme"]
    assert "unknown metric 'rsme'" in refused(capsys, main(["score", *arguments]))


def test_as_a_process_there_is_no_traceback(files, tmp_path):
    command = [sys.executable, "-m", "qsmbench.cli.main", "forward", "--chi", "absent.nii.gz", "--out", "x.nii.gz"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "absent.nii.gz" in done.stderr
    assert list(tmp_path.glob("x*")) == []
