"""Every row of the shared folder `scan_faults`: what is right there comes out, or a line says why not."""

import nibabel as nib
import numpy as np
import pytest

from qsmbench.cli.main import main

TIMES = ("0.005", "0.010", "0.015")


@pytest.fixture(scope="module")
def faults(shared_data):
    folder = shared_data / "scan_faults"
    if not folder.is_dir():
        pytest.skip("scan_faults is not beside the checkout")
    return folder


@pytest.fixture
def prepare(faults, tmp_path, capsys):
    def run(phase, magnitude, times, *more, mask="base/mask.nii.gz", b0="3"):
        out = tmp_path / phase.replace("/", "_")
        arguments = ["--phase", faults / phase, "--magnitude", faults / magnitude, "--echo-times", *times, "--b0", b0]
        arguments += ["--mask", faults / mask] if mask else []
        status = main([str(a) for a in ("prepare", *arguments, "--out-dir", out, "--option", "swi=null", *more)])
        said = capsys.readouterr().err
        if status:
            assert not out.exists()
        return status, said, out

    return run


def value(path):
    return nib.load(path).get_fdata()


def gain(faults, out):
    """Slope of the total field on the truth."""
    truth, found = value(faults / "base/truth_total_ppm.nii.gz"), value(out / "total_field.nii.gz")
    inside = value(out / "mask.nii.gz") > 0
    a, b = found[inside] - found[inside].mean(), truth[inside] - truth[inside].mean()
    return float(a @ b / (b @ b)), float(np.linalg.norm(a - b) / np.linalg.norm(b))


@pytest.mark.parametrize(("name", "scale"), [("p_pm4096", "pi/4096"), ("p_0_4095", "pi/2048")])
def test_01_partial_range(faults, prepare, name, scale):
    files = f"01_partial_range/{name}.nii.gz", "01_partial_range/m.nii.gz", ("0.0023", "0.0046")
    status, said, _ = prepare(*files, b0="1.5")
    assert status == 2
    assert "--phase-scale" in said
    status, _, out = prepare(*files, "--phase-scale", scale, b0="1.5")
    assert status == 0
    assert gain(faults, out)[0] == pytest.approx(1, abs=0.01)


def test_02_unwrapped(faults, prepare):
    files = "02_unwrapped/p.nii.gz", "02_unwrapped/m.nii.gz", TIMES
    status, said, _ = prepare(*files)
    assert status == 2
    assert "--phase-scale" in said
    status, _, out = prepare(*files, "--phase-scale", "rad")
    assert status == 0
    assert gain(faults, out)[0] == pytest.approx(4, abs=0.02)


def test_03_padding(faults, prepare):
    status, said, out = prepare("03_padding/p.nii.gz", "base/m.nii.gz", TIMES)
    assert status == 0
    assert "padding (-8192)" in said
    assert gain(faults, out)[1] < 0.03


@pytest.mark.parametrize("name", ["slab10", "slice"])
def test_08_slabs(prepare, name):
    status, said, _ = prepare(f"08_slabs/p_{name}.nii.gz", f"08_slabs/m_{name}.nii.gz", ("0.005", "0.010"), mask=None)
    assert status == 2
    assert "give a mask of your own" in said


def test_10_alternating(faults, prepare):
    status, said, out = prepare("10_alternating/p.nii.gz", "10_alternating/m.nii.gz", ("0.010",))
    assert status == 0
    assert "every second slice along axis z is negated" in said
    _, _, without = prepare("10_alternating/p_without.nii.gz", "10_alternating/m.nii.gz", ("0.010",))
    assert gain(faults, out)[1] == pytest.approx(gain(faults, without)[1], abs=2e-3)


def test_15_soft_mask(faults, prepare):
    status, said, out = prepare("base/p.nii.gz", "base/m.nii.gz", TIMES, mask="15_soft_mask/mask.nii.gz")
    assert status == 0
    assert "probabilities: inside from 0.5 on" in said
    np.testing.assert_array_equal(value(out / "mask.nii.gz") > 0, value(faults / "15_soft_mask/mask.nii.gz") >= 0.5)


def test_19_8mm(prepare):
    status, said, _ = prepare("19_8mm/p.nii.gz", "19_8mm/m.nii.gz", ("0.005", "0.010"), mask="19_8mm/mask.nii.gz")
    assert status == 2
    assert "reaches no neighbour of voxels of 8 mm" in said


def test_20_hz(faults, tmp_path, capsys):
    def reconstruct(*more):
        field, mask = faults / "20_hz/field.nii.gz", faults / "base/mask.nii.gz"
        out = tmp_path / "chi.nii.gz"
        status = main(
            ["reconstruct", "tkd", "--local-field", str(field), "--mask", str(mask), "--out", str(out), *more]
        )
        return status, capsys.readouterr().err, out

    status, said, out = reconstruct()
    assert status == 2
    assert "B0 is not known; give --b0" in said
    assert not out.exists()
    status, said, out = reconstruct("--b0", "3")
    assert status == 0
    assert "converted from hz to ppm at 3 T" in said
    assert np.abs(value(out)).max() < 1
    status, said, out = reconstruct("--field-units", "ppm")
    assert status == 0
    assert "a field of up to 17.1 ppm is not one of tissue" in said


@pytest.mark.parametrize("method", ["medi", "tv", "rts", "l2"])
def test_21_border(faults, tmp_path, method):
    maps = []
    for kind in ("cropped", "padded"):
        files = [str(faults / f"21_border/{what}_{kind}.nii.gz") for what in ("field", "mask")]
        out = tmp_path / f"{kind}.nii.gz"
        assert main(["reconstruct", method, "--local-field", files[0], "--mask", files[1], "--out", str(out)]) == 0
        maps.append(nib.load(out))
    start = np.rint((np.linalg.inv(maps[1].affine) @ maps[0].affine)[:3, 3]).astype(int)
    inner = tuple(slice(s, s + n) for s, n in zip(start, maps[0].shape, strict=True))
    a, b = maps[0].get_fdata(), maps[1].get_fdata()[inner]
    assert np.linalg.norm(a - b) < 1e-3 * np.linalg.norm(b)
