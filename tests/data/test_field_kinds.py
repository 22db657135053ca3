"""Fields that are not what they are said to be: by their unit, their sign, their background, their mask."""

import json

import numpy as np
import pytest
import torch
from little_bids import save

from qsmbench.cli.main import main
from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.core.units import GAMMA_MHZ_PER_T
from qsmbench.data.field_checks import field_doubts, smooth_share
from qsmbench.data.mask_values import thin
from qsmbench.data.scan_nifti import read_scan_and_notes
from qsmbench.physics.dipole import forward_field

GRID = Grid((24, 26, 20), (3.0, 3.0, 3.0))
X, Y, Z = np.meshgrid(*[np.linspace(-1, 1, n) for n in GRID.shape], indexing="ij")
MASK = X**2 + Y**2 + Z**2 < 0.8
AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])


@pytest.fixture(scope="module")
def local():
    chi = np.zeros(GRID.shape, np.float32)
    for x, y, z in ((0.3, 0, 0), (-0.3, 0.2, 0.1), (0, -0.4, 0.3), (0.1, 0.3, -0.4)):
        chi[(X - x) ** 2 + (Y - y) ** 2 + (Z - z) ** 2 < 0.04] = 0.3
    field = forward_field(torch.from_numpy(chi), GRID).numpy()
    return np.where(MASK, field, 0).astype(np.float32)


def lines(field, mask=MASK, total=False, noise=None):
    return field_doubts(field, mask, "f", total=total, noise=noise, voxel_size=GRID.voxel_size)


def test_a_local_field_is_not_doubted(local):
    assert lines(local) == []
    assert lines(local, noise=np.full_like(local, 0.01)) == []
    assert smooth_share(local, MASK, GRID.voxel_size) < 0.1


@pytest.mark.parametrize("background", [0.1 * X, 0.1 * X * Y, 0.05 * (X + Z), 0.1 * (X**2 - Z**2)], ids=str)
def test_a_total_field_given_as_a_local_one_is_said(local, background):
    total = np.where(MASK, local + background, 0).astype(np.float32)
    (line,) = lines(total)
    assert "is it a total field? Give it as --total-field" in line
    assert lines(total, total=True) == []


@pytest.mark.parametrize("by", [0, 1, 2, "full"])
def test_a_mask_beyond_the_field_is_said(local, by):
    other = np.ones_like(MASK) if by == "full" else np.roll(MASK, 4, by)
    assert ["is exactly 0 in" in line for line in lines(local, other)] == [True]
    assert ["is exactly 0 in 100 %" in line for line in lines(0 * local)] == [True]


@pytest.mark.parametrize("total", [True, False])
@pytest.mark.parametrize("steep", [0.2, 1.0, 2.0])
def test_a_field_that_wraps_is_said(local, total, steep):
    slope = np.where(MASK, local + steep * X, 0).astype(np.float32)
    assert not any("is it wrapped?" in line for line in lines(slope, total=total))
    wrapped = (slope + 0.15) % 0.3 - 0.15
    found = [line for line in lines(np.where(MASK, wrapped, 0).astype(np.float32), total=total) if "wrapped?" in line]
    assert bool(found) == (steep > 0.1)


def test_noise_in_another_unit_is_said(local):
    assert ["in another unit" in line for line in lines(local, noise=np.full_like(local, 1.3))] == [True]


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("n", [1, 2, 4, 5, 8])
def test_a_mask_of_few_slices_is_said(axis, n):
    slab = np.zeros_like(MASK)
    index = [slice(None)] * 3
    index[axis] = slice(6, 6 + n)
    slab[tuple(index)] = True
    assert [f"thick along axis {'xyz'[axis]}" in line for line in thin(slab, "mask")] == ([True] if n < 5 else [])


RAD = 2 * np.pi * GAMMA_MHZ_PER_T


@pytest.mark.parametrize(
    ("units", "per_ppm"),
    [
        ("parts per million", 1.0),
        ("Hz", 3 * GAMMA_MHZ_PER_T),
        ("cycles/s", 3 * GAMMA_MHZ_PER_T),
        ("kHz", 3e-3 * GAMMA_MHZ_PER_T),
        ("Rad s^-1", 3 * RAD),
        ("rad·s⁻¹", 3 * RAD),
        ("radians per second", 3 * RAD),
        ("nT", 3e3),
        ("µT", 3.0),
        ("uT", 3.0),
        ("mT", 3e-3),
        ("Gauss", 3e-2),
    ],
)
def test_units_as_people_write_them(tmp_path, local, units, per_ppm):
    save(tmp_path / "f.nii.gz", (local * per_ppm).astype(np.float32), AFFINE)
    save(tmp_path / "m.nii.gz", MASK.astype(np.uint8), AFFINE)
    (tmp_path / "f.json").write_text(json.dumps({"Units": units, "MagneticFieldStrength": 3}))
    scan, notes, _ = read_scan_and_notes(tmp_path / "f.nii.gz", tmp_path / "m.nii.gz")
    np.testing.assert_allclose(scan.local_field.numpy()[MASK], local[MASK], rtol=1e-5, atol=1e-7)
    assert not any("not one of" in line for line in notes)


@pytest.mark.parametrize("given", [None, 1.5, 3.0])
def test_b0_against_the_fields_sidecar_is_said(tmp_path, local, given):
    save(tmp_path / "f.nii.gz", local, AFFINE)
    save(tmp_path / "m.nii.gz", MASK.astype(np.uint8), AFFINE)
    (tmp_path / "f.json").write_text(json.dumps({"MagneticFieldStrength": 3}))
    scan, notes, _ = read_scan_and_notes(tmp_path / "f.nii.gz", tmp_path / "m.nii.gz", b0=given)
    assert scan.b0 == (given or 3.0)
    assert any("1.5 T as given" in line for line in notes) == (given == 1.5)


@pytest.mark.parametrize("b0", [30.0, 42.58, 63.87, 127.7, 3000.0, 30000.0])
@pytest.mark.parametrize("given", [True, False])
def test_b0_of_a_field_in_another_unit_is_refused(tmp_path, local, b0, given):
    save(tmp_path / "f.nii.gz", local * 127, AFFINE)
    save(tmp_path / "m.nii.gz", MASK.astype(np.uint8), AFFINE)
    (tmp_path / "f.json").write_text(json.dumps({"Units": "Hz"} | ({} if given else {"MagneticFieldStrength": b0})))
    hint = {127.7: "127.7 MHz of protons is", 3000.0: "3000 mT is 3 T", 30000.0: "30000 gauss is 3 T"}.get(b0, "")
    with pytest.raises(InputError, match=f"field strength in tesla, got {b0:g}.*{hint}"):
        read_scan_and_notes(tmp_path / "f.nii.gz", tmp_path / "m.nii.gz", b0=b0 if given else None)


@pytest.mark.parametrize("kind", ["--local-field", "--total-field"])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_field_that_counts_the_other_way_is_said(tmp_path, local, kind, sign, capsys):
    save(tmp_path / "f.nii.gz", sign * local, AFFINE)
    save(tmp_path / "m.nii.gz", MASK.astype(np.uint8), AFFINE)
    files = [kind, str(tmp_path / "f.nii.gz"), "--mask", str(tmp_path / "m.nii.gz")]
    assert main(["reconstruct", "tkd", *files, "--out", str(tmp_path / "chi.nii.gz")]) == 0
    assert ("multiply it by -1" in capsys.readouterr().err) == (sign < 0)
    about = json.loads((tmp_path / "chi.json").read_text())
    assert any("multiply it by -1" in line for line in about["warnings"]) == (sign < 0)
    if kind == "--total-field":
        assert main(["prepare", *files, "--out-dir", str(tmp_path / "out")]) == 0
        about = json.loads((tmp_path / "out" / "local_field.json").read_text())
        assert any("multiply it by -1" in line for line in about["Warnings"]) == (sign < 0)
