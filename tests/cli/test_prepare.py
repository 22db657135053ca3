"""`qsmbench prepare` as people call it; each wrong input gets its one line, exit status 2, and nothing is written."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from qsmbench.cli.main import main

SHAPE, TIMES, AFFINE = (24, 26, 18), (0.01, 0.02, 0.03), np.diag([3.0, 3.0, 4.0, 1.0])


def save(path, data, affine=AFFINE):
    nib.save(nib.Nifti1Image(data, affine), path)
    return str(path)


@pytest.fixture
def scan(tmp_path):
    """Files of one scan: a ball of tissue in a field gradient, with noise around it."""
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    ball = x**2 + y**2 + z**2 < 0.8
    rng = np.random.default_rng(0)
    files = {"phase": [], "magnitude": []}
    for j, t in enumerate(TIMES):
        signal = ball * np.exp(-20 * t + 1j * (0.5 + 600 * t * x))
        signal = signal + 0.02 * (rng.standard_normal(SHAPE) + 1j * rng.standard_normal(SHAPE))
        files["phase"].append(save(tmp_path / f"p{j}.nii.gz", np.angle(signal).astype(np.float32)))
        files["magnitude"].append(save(tmp_path / f"m{j}.nii.gz", np.abs(signal).astype(np.float32)))
    return files | {
        "mask": save(tmp_path / "mask.nii.gz", ball.astype(np.uint8)),
        "times": [str(t) for t in TIMES],
        "out": tmp_path / "out",
    }


def prepare(scan, *extra, mask=True):
    arguments = ["prepare", "--phase", *scan["phase"], "--magnitude", *scan["magnitude"]]
    arguments += ["--echo-times", *scan["times"], "--b0", "3", "--out-dir", str(scan["out"])]
    return main([*arguments, *(["--mask", scan["mask"]] if mask else []), *extra])


def test_loose_files(scan, capsys):
    assert prepare(scan) == 0
    field = nib.load(scan["out"] / "local_field.nii.gz")
    assert field.get_data_dtype() == np.float32
    np.testing.assert_allclose(field.affine, AFFINE)
    total = nib.load(scan["out"] / "total_field.nii.gz").get_fdata()
    mask = nib.load(scan["mask"]).get_fdata() > 0
    x = np.linspace(-1, 1, SHAPE[0])[:, None, None] * np.ones(SHAPE)
    expected = 600 * x / (2 * np.pi * 42.576 * 3)
    assert np.abs(total - expected)[mask].mean() < 0.01
    # All of it is background.
    assert np.abs(field.get_fdata()).max() < 0.05
    sidecar = json.loads((scan["out"] / "local_field.json").read_text())
    assert sidecar["BackgroundRemoval"]["kind"] == "resharp"
    assert sidecar["Sources"][:2] == ["p0.nii.gz", "p1.nii.gz"]
    assert "eroded)" in capsys.readouterr().err


def test_settings_reach_the_result(scan):
    extra = ("--background", "vsharp", "--option", "background.radius=7", "--flip-phase", "--option", "swi=null")
    assert prepare(scan, *extra, "--option", "mask.method=threshold", mask=False) == 0
    removal = json.loads((scan["out"] / "local_field.json").read_text())["BackgroundRemoval"]
    assert removal["kind"] == "vsharp"
    assert removal["radius"] == 7
    assert json.loads((scan["out"] / "mask.json").read_text())["MaskSource"] == "threshold"
    assert not (scan["out"] / "swi.nii.gz").exists()
    total = nib.load(scan["out"] / "total_field.nii.gz").get_fdata()
    assert total[3, 13, 9] > 0 > total[20, 13, 9]


def test_all_echoes_in_one_file_give_the_same(scan, tmp_path):
    assert prepare(scan) == 0
    expected = (scan["out"] / "local_field.nii.gz").read_bytes()
    one = {
        name: [
            save(
                tmp_path / f"{name}.nii.gz", np.stack([nib.load(f).get_fdata(dtype=np.float32) for f in scan[name]], -1)
            )
        ]
        for name in ("phase", "magnitude")
    }
    assert prepare(scan | one | {"out": tmp_path / "out2"}) == 0
    assert (tmp_path / "out2" / "local_field.nii.gz").read_bytes() == expected


def test_one_echo_only_is_said(scan, capsys):
    one = {"phase": scan["phase"][:1], "magnitude": scan["magnitude"][:1], "times": scan["times"][:1]}
    assert prepare(scan | one) == 0
    assert "one echo only" in capsys.readouterr().err


def with_nan(scan, tmp_path):
    data = nib.load(scan["phase"][1]).get_fdata(dtype=np.float32)
    data[3, 4, 5] = np.nan
    save(scan["phase"][1], data)


def with_shear(scan, tmp_path):
    affine = AFFINE.copy()
    affine[0, 1] = 0.6
    for name in (*scan["phase"], *scan["magnitude"]):
        image = nib.Nifti1Image(nib.load(name).get_fdata(dtype=np.float32), None)
        image.set_sform(affine, 1)
        image.header.set_zooms(np.linalg.norm(affine[:3, :3], axis=0))
        nib.save(image, name)
    image = nib.Nifti1Image(np.ones(SHAPE, np.uint8), None)
    image.set_sform(affine, 1)
    image.header.set_zooms(np.linalg.norm(affine[:3, :3], axis=0))
    nib.save(image, scan["mask"])


def truncated(scan, tmp_path):
    path = Path(scan["magnitude"][2])
    path.write_bytes(path.read_bytes()[:2000])


def other_shape(scan, tmp_path):
    for name in scan["magnitude"]:
        save(name, nib.load(name).get_fdata(dtype=np.float32)[:-1])


def empty_mask(scan, tmp_path):
    save(scan["mask"], np.zeros(SHAPE, np.uint8))


def missing_echo(scan, tmp_path):
    scan["phase"] = scan["phase"][:2]


def milliseconds(scan, tmp_path):
    scan["times"] = ["10", "20", "30"]


def nothing(scan, tmp_path):
    pass


@pytest.mark.parametrize(
    ("spoil", "extra", "messages"),
    [
        (missing_echo, (), ["p0.nii.gz: 2 phase volumes for 3 echo times"]),
        (milliseconds, (), ["p0.nii.gz: echo times 10, 20, 30 s look like milliseconds; give seconds"]),
        (other_shape, (), ["m0.nii.gz has shape (23, 26, 18)", "m1.nii.gz has shape", "m2.nii.gz has shape"]),
        (with_shear, (), ["p0.nii.gz: affine has shear"]),
        (empty_mask, (), ["mask.nii.gz is empty"]),
        (with_nan, (), ["p1.nii.gz has 1 NaN or infinite of 11232 voxels"]),
        (truncated, (), ["m2.nii.gz is cut short or damaged"]),
        (nothing, ("--b0", "3000"), ["B0 must be a field strength in tesla, got 3000"]),
        (nothing, ("--option", "background.radius=-1"), ["setting background.radius: Input should be greater than 0"]),
        (nothing, ("--option", "background.radios=1"), ["setting background.radios: Extra inputs are not permitted"]),
        (nothing, ("--option", "fit=1", "--option", "fit.model=linear"), ["'fit' is no section of settings"]),
        (nothing, ("--option", "background.radius=80"), ["resharp: no voxel of the mask is left"]),
        (nothing, ("--bids", "x"), ["--bids goes without --phase, --magnitude, --echo-times, --b0, --mask"]),
        (nothing, ("--threads", "0"), ["--threads must be at least 1"]),
    ],
)
def test_wrong_input(scan, tmp_path, capsys, *, spoil, extra, messages):
    spoil(scan, tmp_path)
    capsys.readouterr()
    assert prepare(scan, *extra) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "phase radians by their range" not in line]
    assert len(lines) == len(messages), lines
    for line, message in zip(lines, messages, strict=True):
        assert line.startswith("qsmbench prepare: ")
        assert message in line
    assert not scan["out"].exists()


def test_what_is_missing_is_said(capsys):
    assert main(["prepare", "--phase", "p.nii", "--out-dir", "o"]) == 2
    message = "give --bids DIR, or --total-field F, or for one scan also --magnitude, --echo-times, --b0"
    assert message in capsys.readouterr().err


def test_several_mistakes_are_told_together(scan, tmp_path, capsys):
    with_nan(scan, tmp_path)
    truncated(scan, tmp_path)
    milliseconds(scan, tmp_path)
    capsys.readouterr()
    assert prepare(scan) == 2
    text = capsys.readouterr().err
    assert all(part in text for part in ("milliseconds", "p1.nii.gz has 1 NaN", "m2.nii.gz is cut short"))
    assert not scan["out"].exists()
