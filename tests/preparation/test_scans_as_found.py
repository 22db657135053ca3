"""Kinds of scans as people have them: stored orders, orientations, loose files, slices, echoes; made by computer."""

import json
import re
from dataclasses import replace
from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
from little_bids import save, write_bids
from little_scan import TIMES, little

from qsmbench.cli.main import main
from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.core.orientation import Orientation
from qsmbench.data.file_hashes import hashes_of
from qsmbench.preparation.bids import load
from qsmbench.preparation.bids_files import files_of, subjects_with_phase, survey
from qsmbench.preparation.loose_files import in_order
from qsmbench.preparation.pipeline import prepare
from qsmbench.preparation.settings import PhaseSettings, PreparationSettings

SETTINGS = PreparationSettings()


def test_every_output_is_the_same_in_all_48_orders():
    echoes, mask = little()
    expected = prepare(echoes, SETTINGS, mask)
    for n, (axes, flips) in enumerate(product(permutations(range(3)), product((False, True), repeat=3))):
        # All orders lead to one (tests/core/test_orientation.py); every fifth goes the whole way.
        if n % 5:
            continue
        order = Orientation(axes, flips)
        found = prepare(echoes.reordered(order), SETTINGS, order.apply(mask))
        assert set(found.volumes) == set(expected.volumes)
        for name, volume in expected.volumes.items():
            np.testing.assert_array_equal(found.volumes[name], order.apply(volume), err_msg=name)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("n_echoes", [1, 3])
def test_every_second_slice_negated_is_put_right(axis, n_echoes):
    echoes, mask = little(TIMES[:n_echoes])
    odd = (np.arange(mask.shape[axis]) % 2 == 1).reshape([-1 if a == axis else 1 for a in range(3)])
    phase = np.angle(np.exp(1j * (echoes.phase + np.pi * odd))).astype(np.float32)
    found, expected = prepare(replace(echoes, phase=phase), SETTINGS, mask), prepare(echoes, SETTINGS, mask)
    assert f"every second slice along axis {'xyz'[axis]} is negated" in found.warnings[0]
    assert not any("slice" in line for line in expected.warnings)
    difference = found.volumes["local_field"] - expected.volumes["local_field"]
    assert np.linalg.norm(difference) < 0.01 * np.linalg.norm(expected.volumes["local_field"])


def test_slices_that_jump_in_one_echo_are_named():
    echoes, mask = little()
    phase = echoes.phase.copy()
    phase[1, :, :, 9] = np.angle(np.exp(1j * (phase[1, :, :, 9] + 2.0)))
    found = prepare(replace(echoes, phase=phase), SETTINGS, mask)
    (line,) = [w for w in found.warnings if "jumps from slice to slice" in w]
    assert "along axis z" in line
    assert " 9" in line


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 2, 1), (2, 0, 1)])
def test_echoes_in_the_wrong_order_do_not_fit_together(order):
    echoes, mask = little((0.004, 0.010, 0.021))
    wrong = replace(echoes, phase=np.ascontiguousarray(echoes.phase[list(order)]))
    assert any("do not fit together" in w for w in prepare(wrong, SETTINGS, mask).warnings)
    assert not any("do not fit together" in w for w in prepare(echoes, SETTINGS, mask).warnings)


def test_a_sphere_smaller_than_a_voxel_is_refused():
    echoes, mask = little()
    grid = Grid(echoes.grid.shape, (8.0, 8.0, 8.0))
    with pytest.raises(InputError, match=r"reaches no neighbour.*background.radius=12"):
        prepare(replace(echoes, grid=grid), SETTINGS, mask)


def names(folder, *files):
    paths = [folder / name for name in files]
    for path in paths:
        path.touch()
    return paths


def test_loose_files_follow_their_times_or_are_refused(tmp_path):
    glob = names(tmp_path, "p1.nii", "p10.nii", "p2.nii")
    with pytest.raises(InputError, match=r"count otherwise by their names \(p1.nii p2.nii p10.nii\)"):
        in_order(glob, glob, TIMES)
    # Said in pairs, the times of p10 being the last: any order will do.
    phase, magnitude, times, _ = in_order(glob, glob, (0.005, 0.015, 0.010))
    assert [p.name for p in phase] == [p.name for p in magnitude] == ["p1.nii", "p2.nii", "p10.nii"]
    assert times == TIMES
    for name, t in (("p1", 0.005), ("p2", 0.010), ("p10", 0.015)):
        (tmp_path / f"{name}.json").write_text(json.dumps({"EchoTime": t}))
    assert [p.name for p in in_order(glob, glob, TIMES)[0]] == ["p1.nii", "p2.nii", "p10.nii"]
    with pytest.raises(InputError, match=r"0 phase files have an EchoTime of 0.03 s"):
        in_order(glob, glob, (0.005, 0.010, 0.03))
    with pytest.raises(InputError, match="echo times do not rise"):
        in_order(names(tmp_path, "all.nii"), names(tmp_path, "mag.nii"), (0.01, 0.005))


def write_codes(path, data, sform, qform, codes):
    image = nib.Nifti1Image(data, sform)
    image.set_sform(sform, codes[0])
    image.set_qform(qform, codes[1])
    image.header.set_xyzt_units("mm")
    nib.save(image, path)


def turned(degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[1, 0, 0, 0], [0, c, -s, 0], [0, s, c, 0], [0, 0, 0, 1.0]])


@pytest.mark.parametrize("degrees", [0, 20, 70])
@pytest.mark.parametrize("codes", list(product((0, 1, 2, 4), repeat=2)))
def test_b0_is_that_of_the_scanners_matrix_or_doubted(tmp_path, codes, degrees):
    from qsmbench.data.nifti import read_volume

    sform, qform = turned(degrees), turned(-degrees / 2)
    write_codes(tmp_path / "a.nii.gz", np.ones((4, 5, 6), np.float32), sform, qform, codes)
    volume = read_volume(tmp_path / "a.nii.gz")
    doubts = volume.frames.doubts()
    used = Grid.from_affine((4, 5, 6), volume.affine).b0_dir
    if codes == (0, 0):
        assert "no orientation" in doubts[0]
        assert used == (0, 0, 1)
    elif codes == (1, 0) or (codes[0] == 1 and degrees == 0):
        np.testing.assert_allclose(used, sform[2, :3], atol=1e-6)
        assert doubts == []
    elif codes == (0, 1):
        np.testing.assert_allclose(used, qform[2, :3], atol=1e-5)
        assert doubts == []
    elif degrees:
        assert "B0" in doubts[0]
        assert "--b0-dir" in doubts[0]
        if 1 in codes:
            right = sform if codes[0] == 1 else qform
            np.testing.assert_allclose(used, right[2, :3], atol=1e-5)


def test_outputs_keep_codes_and_the_sidecar_says_b0(tmp_path, capsys):
    field = np.where(little()[1], np.float32(0.01), 0).astype(np.float32)
    mask = little()[1].astype(np.uint8)
    for name, data in (("f", field), ("m", mask)):
        write_codes(tmp_path / f"{name}.nii.gz", data, turned(30), turned(30), (2, 4))
    arguments = [
        "reconstruct",
        "tkd",
        "--local-field",
        str(tmp_path / "f.nii.gz"),
        "--mask",
        str(tmp_path / "m.nii.gz"),
    ]
    assert main([*arguments, "--out", str(tmp_path / "chi.nii.gz")]) == 0
    assert "not the scanner's: B0 is (0.000, 0.500, 0.866)" in capsys.readouterr().err
    about = json.loads((tmp_path / "chi.json").read_text())
    assert "--b0-dir" in about["warnings"][0]
    header = nib.load(tmp_path / "chi.nii.gz").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (2, 4)
    (tmp_path / "f.json").write_text(json.dumps({"B0_dir": [0, 0, 1], "Units": "ppm"}))
    assert main([*arguments, "--out", str(tmp_path / "chi.nii.gz")]) == 0
    about = json.loads((tmp_path / "chi.json").read_text())
    assert about["b0_dir"] == [0, 0, 1]
    assert about["warnings"] == []
    (tmp_path / "f.json").write_text(json.dumps({"B0_dir": [0, 0, None]}))
    assert main([*arguments, "--out", str(tmp_path / "chi2.nii.gz")]) == 2
    assert "B0_dir must be three numbers" in capsys.readouterr().err
    assert not (tmp_path / "chi2.nii.gz").exists()


@pytest.mark.parametrize("units", ["ppm", "ppb", "Hz", "rad/s", "T", "Tesla", "HZ"])
@pytest.mark.parametrize("stated", [True, False])
def test_a_field_in_any_unit_gives_the_same_map(tmp_path, units, stated):
    from qsmbench.data.scan_nifti import read_scan_and_notes

    _, mask = little()
    rng = np.random.default_rng(0)
    ppm = (0.05 * rng.standard_normal(mask.shape)).astype(np.float32)
    factor = {"ppm": 1, "ppb": 1e3, "hz": 42.576 * 3, "rad/s": 2 * np.pi * 42.576 * 3, "t": 3e-6, "tesla": 3e-6}
    save(tmp_path / "f.nii.gz", (ppm * factor[units.lower()]).astype(np.float32), np.eye(4))
    save(tmp_path / "m.nii.gz", mask.astype(np.uint8), np.eye(4))
    given = {}
    if stated:
        (tmp_path / "f.json").write_text(json.dumps({"Units": units, "MagneticFieldStrength": 3}))
    else:
        given = {"units": {"tesla": "t"}.get(units.lower(), units.lower()), "b0": 3.0}
    scan, notes, _ = read_scan_and_notes(tmp_path / "f.nii.gz", tmp_path / "m.nii.gz", **given)
    np.testing.assert_allclose(scan.local_field.numpy()[mask], ppm[mask], rtol=1e-5, atol=1e-7)
    assert bool(notes) == (units != "ppm")


def test_folders_that_are_links_are_read(tmp_path):
    echoes, _ = little()
    root = write_bids(tmp_path / "raw", echoes)
    elsewhere = tmp_path / "store"
    (root / "sub-01" / "anat").rename(elsewhere)
    (root / "sub-01" / "anat").symlink_to(elsewhere)
    # A session beside it that is a link as a whole, and one that leads back to itself.
    (root / "sub-01" / "ses-2").symlink_to(root / "sub-01")
    (found,), told = survey(root)
    assert found.name == "sub-01_MEGRE"
    assert told == []
    (elsewhere / "sub-01_echo-2_part-mag_MEGRE.nii.gz").unlink()
    (elsewhere / "sub-01_echo-2_part-mag_MEGRE.nii.gz").symlink_to(tmp_path / "nowhere.nii.gz")
    with pytest.raises(InputError, match=r"is a broken link \(to .*nowhere.nii.gz\); fetch"):
        survey(root)


def test_an_incomplete_reconstruction_is_passed_over_and_said(tmp_path):
    echoes, _ = little()
    root = write_bids(tmp_path / "raw", echoes, ("01", "02"))
    anat = root / "sub-01" / "anat"
    for path in list(anat.glob("*part-mag_MEGRE.*")):
        (anat / path.name.replace("sub-01_", "sub-01_rec-norm_")).write_bytes(path.read_bytes())
    found, told = survey(root)
    assert [a.name for a in found] == ["sub-01_MEGRE", "sub-02_MEGRE"]
    assert "sub-01_rec-norm_MEGRE: no phase" in told[0]
    for path in list(anat.glob("sub-01_echo-*part-phase_MEGRE.*")):
        (anat / path.name.replace("sub-01_", "sub-01_rec-norm_")).write_bytes(path.read_bytes())
    assert [a.name for a in survey(root, ["01"], {"rec": "norm"})[0]] == ["sub-01_rec-norm_MEGRE"]
    with pytest.raises(InputError, match="with rec-other"):
        survey(root, ["01"], {"rec": "other"})


def test_a_run_that_was_broken_off_is_passed_over_beside_a_complete_one(tmp_path):
    echoes, _ = little()
    root = write_bids(tmp_path / "raw", echoes, ("01", "02"))
    anat = root / "sub-01" / "anat"
    for path in list(anat.iterdir()):
        (anat / path.name.replace("sub-01_", "sub-01_run-2_")).write_bytes(path.read_bytes())
    (anat / "sub-01_run-2_echo-2_part-phase_MEGRE.nii.gz").unlink()
    found, told = survey(root)
    assert [a.name for a in found] == ["sub-01_MEGRE", "sub-02_MEGRE"]
    (line,) = told
    assert re.match(r"sub-01_run-2_MEGRE: echoes 1\+2.* of part-mag, 1.* of part-phase; passed over", line)
    # Alone in its session it is refused, with what it lacks.
    for path in anat.glob("sub-01_echo-*"):
        path.unlink()
    assert [a.name for a in survey(root)[0]] == ["sub-01_run-2_MEGRE", "sub-02_MEGRE"]
    with pytest.raises(InputError, match="echo 2 of 3 of sub-01_run-2_MEGRE has no part-phase file"):
        load(survey(root, ["01"])[0][0], PhaseSettings())


def test_a_missing_first_echo_and_subjects_without_phase_are_named(tmp_path, capsys):
    echoes, _ = little()
    root = write_bids(tmp_path / "raw", echoes, ("01", "02"))
    for path in (root / "sub-02" / "anat").iterdir():
        path.unlink()
    save(root / "sub-02" / "anat" / "sub-02_T1w.nii.gz", np.ones((4, 4, 4), np.float32), np.eye(4))
    assert subjects_with_phase(root) == (["01"], ["02"])
    assert survey(root)[1] == ["sub-02: no gradient echoes with phase; passed over"]
    for path in (root / "sub-01" / "anat").glob("*echo-1_*"):
        path.unlink()
    assert main(["prepare", "--bids", str(root), "--out-dir", str(tmp_path / "out")]) == 2
    assert "echo 1 of sub-01_MEGRE missing, the files begin with echo 2" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_every_file_that_matters_has_a_hash_of_its_content(tmp_path):
    echoes, _ = little()
    root = write_bids(tmp_path / "raw", echoes, ("01", "02"))
    before = {s: hashes_of(files_of(root, s), root) for s in ("01", "02")}
    assert "part-mag_MEGRE.json" in before["01"]
    assert len([name for name in before["01"] if name.startswith("sub-01/")]) == 12
    path = root / "sub-01" / "anat" / "sub-01_echo-1_part-mag_MEGRE.json"
    path.write_text(path.read_text() + " ")
    assert hashes_of(files_of(root, "01"), root) != before["01"]
    assert hashes_of(files_of(root, "02"), root) == before["02"]
