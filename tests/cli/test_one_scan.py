"""One scan from the command line, from wherever it stands: echoes, a total field, a local field."""

import json

import nibabel as nib
import numpy as np
import pytest
from foreign_folder import THEIR_REMOVAL, THEIR_WHOLE, their_folder
from little_scan import little

import qsmbench
from qsmbench.cli.main import main
from qsmbench.core.units import GAMMA_MHZ_PER_T


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A scan of a ball: files of phase and magnitude, its mask, and the total field that a fit made of them."""
    folder = tmp_path_factory.mktemp("scan")
    echoes, mask = little()

    def save(name, data):
        image = nib.Nifti1Image(data.astype(np.float32), echoes.grid.matrix)
        image.set_sform(image.affine, 1)
        nib.save(image, folder / name)
        return str(folder / name)

    made = qsmbench.prepare(
        echoes.phase, echoes.magnitude, mask=mask, echo_times=echoes.echo_times, b0=3.0, b0_dir=echoes.grid.b0_dir,
        voxel_size=echoes.grid.voxel_size,
    )  # fmt: skip
    return {
        "phase": [save(f"p{i}.nii.gz", echo) for i, echo in enumerate(echoes.phase)],
        "magnitude": [save(f"m{i}.nii.gz", echo) for i, echo in enumerate(echoes.magnitude)],
        "mask": save("mask.nii.gz", mask),
        "total": save("total.nii.gz", made.volumes["total_field"]),
        "hz": save("hz.nii.gz", made.volumes["total_field"] * GAMMA_MHZ_PER_T * 3),
        "times": [str(t) for t in echoes.echo_times],
    }


def of_echoes(files):
    beside = ["--magnitude", *files["magnitude"], "--echo-times", *files["times"], "--b0", "3", "--mask", files["mask"]]
    return ["--phase", *files["phase"], *beside]


def chi(tmp_path, *words, method="tkd"):
    """Reconstruct; return the map and what stands beside it."""
    out = tmp_path / "chi.nii.gz"
    assert main(["reconstruct", method, "--out", str(out), *words]) == 0
    return nib.load(out).get_fdata(), json.loads((tmp_path / "chi.json").read_text())


def test_a_total_field_becomes_a_map_by_one_command_or_by_two(files, tmp_path):
    one, about = chi(tmp_path, "--total-field", files["total"], "--mask", files["mask"])
    assert about["total_field"] == "total.nii.gz" and about["background_removal"]["kind"] == "resharp"
    folder = tmp_path / "prepared"
    words = ["prepare", "--total-field", files["total"], "--mask", files["mask"], "--out-dir", str(folder)]
    assert main(words) == 0
    field, mask = (str(folder / f"{name}.nii.gz") for name in ("local_field", "local_mask"))
    two, _ = chi(tmp_path, "--local-field", field, "--mask", mask)
    np.testing.assert_array_equal(one, two)
    sidecar = json.loads((folder / "local_field.json").read_text())
    assert sidecar["Units"] == "ppm" and sidecar["Sources"] == ["total.nii.gz", "mask.nii.gz"]
    assert sidecar["BackgroundRemoval"]["LocalMaskVoxels"] == np.count_nonzero(nib.load(mask).get_fdata())
    assert 0 < np.count_nonzero(one) < np.count_nonzero(nib.load(files["mask"]).get_fdata())


def test_its_unit_and_its_background_removal_are_the_users_choice(files, tmp_path, capsys):
    ppm, _ = chi(tmp_path, "--total-field", files["total"], "--mask", files["mask"], "--preparation",
                 "background.kind=lbv")  # fmt: skip
    capsys.readouterr()
    words = ["--mask", files["mask"], "--field-units", "hz", "--b0", "3", "--preparation", "background.kind=lbv"]
    hz, about = chi(tmp_path, "--total-field", files["hz"], *words)
    np.testing.assert_allclose(hz, ppm, atol=1e-5)
    assert about["background_removal"]["kind"] == "lbv"
    said = capsys.readouterr().err
    assert "converted from hz to ppm" in said and "is it in ppm" not in said
    folder = tmp_path / "prepared"
    words = ["--field-units", "hz", "--b0", "3", "--background", "vsharp", "--option", "background.radius=8"]
    assert (
        main(["prepare", "--total-field", files["hz"], "--mask", files["mask"], *words, "--out-dir", str(folder)]) == 0
    )
    removal = json.loads((folder / "local_field.json").read_text())["BackgroundRemoval"]
    assert (removal["kind"], removal["radius"]) == ("vsharp", 8)


def test_echoes_become_a_map_by_one_command_or_by_two(files, tmp_path):
    one, about = chi(tmp_path, *of_echoes(files))
    assert about["phase"] == ["p0.nii.gz", "p1.nii.gz", "p2.nii.gz"] and "fit" in about["preparation"]
    folder = tmp_path / "prepared"
    assert main(["prepare", *of_echoes(files), "--out-dir", str(folder)]) == 0
    field, mask = (str(folder / f"{name}.nii.gz") for name in ("local_field", "local_mask"))
    two, _ = chi(tmp_path, "--local-field", field, "--mask", mask)
    np.testing.assert_array_equal(one, two)


def test_echoes_without_a_mask_get_one(files, tmp_path):
    words = [word for word in of_echoes(files) if word not in {"--mask", files["mask"]}]
    found, _ = chi(tmp_path, *words, "--preparation", "mask.method=threshold")
    assert np.count_nonzero(found) > 100


def test_folders_that_begin_earlier_are_given_what_there_is(files, tmp_path, capsys):
    code = THEIR_REMOVAL.replace("localfield.nii.gz", "chimap.nii.gz")
    in_one = ["--option", f"folder={their_folder(tmp_path, 'in-one', 'bfr+dipole', code)}"]
    whole = ["--option", f"folder={their_folder(tmp_path, 'whole-way', 'end-to-end', THEIR_WHOLE)}"]
    field = ["--total-field", files["total"], "--mask", files["mask"]]
    assert chi(tmp_path, *in_one, *field, method="command")[0].any()
    assert chi(tmp_path, *in_one, *of_echoes(files), method="command")[0].any()
    found, about = chi(tmp_path, *whole, *of_echoes(files), method="command")
    assert found.any() and about["notes"][-1] == "It began before the local field (stage end-to-end)."
    capsys.readouterr()
    assert main(["reconstruct", "command", *whole, *field, "--out", str(tmp_path / "no.nii.gz")]) == 2
    said = capsys.readouterr().err.strip()
    assert said == (
        "qsmbench reconstruct: whole-way needs phase and magnitude, and of this scan there is the total field alone"
    )


FIELD = ["--total-field", "{total}", "--mask", "{mask}"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["reconstruct", "--mask", "{mask}"], "give one of --local-field, --total-field and --phase"),
        (["reconstruct", "--total-field", "{total}", "--phase", "{total}"], "got several"),
        (["reconstruct", "--total-field", "{total}"], "--mask is missing"),
        (["reconstruct", "--phase", "{total}"], "--phase needs --magnitude, --echo-times, --b0"),
        (["reconstruct", "--local-field", *FIELD[1:], "--preparation", "swi=null"], "prepared already"),
        (["reconstruct", *FIELD, "--preparation", "a.b=1"], "setting a"),
        (["prepare", *FIELD[:2]], "needs --mask"),
        (["prepare", *FIELD, "--flip-phase"], "goes without --flip-phase"),
        (["prepare", *FIELD, "--bids", "x"], "goes without --bids"),
        (["prepare", "--phase", "{total}", "--field-noise", "{total}"], "goes with --total-field"),
        (["prepare", *FIELD, "--option", "background.radius=1"], "sphere of 1 mm"),
    ],
)
def test_what_does_not_fit_together_is_one_line_and_nothing_is_written(files, tmp_path, capsys, words, message):
    words = [word.format(**{key: files[key] for key in ("mask", "total")}) for word in words]
    out = tmp_path / "out"
    more = ["tkd", "--out", str(out / "chi.nii.gz")] if words[0] == "reconstruct" else ["--out-dir", str(out)]
    assert main([words[0], *more, *words[1:]]) == 2
    said = capsys.readouterr().err.splitlines()
    assert message in said[-1] and len(said) == 1
    assert not out.exists()
