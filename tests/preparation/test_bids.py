"""BIDS in and derivatives out."""

import json

import nibabel as nib
import numpy as np
import pytest
from little_bids import save, write_bids

from qsmbench.core.errors import InputError
from qsmbench.data.nifti import read_volume
from qsmbench.preparation.bids import load
from qsmbench.preparation.bids_files import find_acquisitions, parse_name
from qsmbench.preparation.bids_sidecars import read_metadata
from qsmbench.preparation.dataset import prepare_bids
from qsmbench.preparation.outputs import OUTPUTS, output_path
from qsmbench.preparation.settings import MaskSettings, PhaseSettings, PreparationSettings

SETTINGS = PreparationSettings(mask=MaskSettings(method="threshold"))


def anat(bids_dir, name):
    return bids_dir / "sub-01" / "anat" / f"sub-01_{name}"


def test_an_acquisition_is_read_as_it_was_written(bids_dir, noisy):
    (acquisition,) = find_acquisitions(bids_dir)
    assert acquisition.name == "sub-01_MEGRE"
    assert len(acquisition.sources) == 8
    loaded = load(acquisition, PhaseSettings())
    assert "integers of -4096 to 4096" in loaded.phase_scaling
    assert loaded.echoes.echo_times == noisy.echo_times
    assert loaded.echoes.b0 == 3
    assert np.abs(np.angle(np.exp(1j * (loaded.echoes.phase - noisy.phase)))).max() < 1e-3
    flipped = load(acquisition, PhaseSettings(flipped=True))
    np.testing.assert_array_equal(flipped.echoes.phase, -loaded.echoes.phase)
    assert flipped.phase_scaling.endswith("negated")


def test_real_and_imaginary_parts_will_do(tmp_path, noisy):
    root = write_bids(tmp_path / "raw", noisy)
    signal = noisy.magnitude * np.exp(1j * noisy.phase)
    for path in sorted((root / "sub-01" / "anat").iterdir()):
        echo = int(parse_name(path)[0]["echo"])
        new = path.with_name(path.name.replace("part-mag", "part-real").replace("part-phase", "part-imag"))
        path.rename(new)
        if new.name.endswith(".nii.gz"):
            part = signal[echo - 1].real if "real" in new.name else signal[echo - 1].imag
            save(new, part.astype(np.float32), noisy.grid.matrix)
    (root / "part-mag_MEGRE.json").rename(root / "MEGRE.json")
    (root / "part-phase_MEGRE.json").unlink()
    (acquisition,) = find_acquisitions(root)
    loaded = load(acquisition, PhaseSettings())
    np.testing.assert_allclose(loaded.echoes.magnitude, noisy.magnitude, atol=1e-5)
    assert loaded.phase_scaling == "from real and imaginary parts"


def test_the_nearer_sidecar_prevails(bids_dir):
    path = anat(bids_dir, "echo-1_part-mag_MEGRE.nii.gz")
    assert read_metadata(path, bids_dir) == {"EchoTime": 0.0104, "MagneticFieldStrength": 3.0}
    (bids_dir / "MEGRE.json").write_text(json.dumps({"MagneticFieldStrength": 7, "RepetitionTime": 0.05}))
    (bids_dir / "sub-01" / "sub-01_MEGRE.json").write_text(json.dumps({"RepetitionTime": 0.06}))
    (bids_dir / "echo-2_MEGRE.json").write_text(json.dumps({"RepetitionTime": 1.0}))
    found = read_metadata(path, bids_dir)
    assert found == {"EchoTime": 0.0104, "MagneticFieldStrength": 3.0, "RepetitionTime": 0.06}


def test_b0_comes_from_the_affine_or_a_sidecar(tmp_path, head, noisy):
    root = write_bids(tmp_path / "raw", noisy)
    turn = np.deg2rad(20)
    affine = np.eye(4)
    affine[:3, :3] = [[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]]
    affine = affine @ np.diag([2.0, 2.0, 3.0, 1.0])
    for path in (root / "sub-01" / "anat").glob("*.nii.gz"):
        save(path, np.asanyarray(nib.load(path).dataobj), affine)
    (acquisition,) = find_acquisitions(root)
    np.testing.assert_allclose(
        load(acquisition, PhaseSettings()).echoes.grid.b0_dir, (0, np.sin(turn), np.cos(turn)), atol=1e-6
    )
    (root / "MEGRE.json").write_text(json.dumps({"B0_dir": [1, 0, 0]}))
    assert load(acquisition, PhaseSettings()).echoes.grid.b0_dir == (1, 0, 0)


def test_derivatives(tmp_path, noisy):
    root = write_bids(tmp_path / "raw", noisy, ("01", "02"))
    out = root / "derivatives" / "qsmbench"
    written = prepare_bids(root, out, SETTINGS, ["sub-02"])
    assert [w.entities["sub"] for w in written] == ["02"]
    assert set(written[0].paths) == set(OUTPUTS)
    assert not (out / "sub-01").exists()
    for name, path in written[0].paths.items():
        assert path == output_path(out, {"sub": "02"}, name)
        sidecar = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
        assert sidecar["Sources"][0] == "bids:raw:sub-02/anat/sub-02_echo-1_part-mag_MEGRE.nii.gz"
        assert read_volume(path).data.shape == noisy.grid.shape
    local = json.loads((out / "sub-02/anat/sub-02_desc-local_fieldmap.json").read_text())
    assert local["Units"] == "ppm"
    assert local["BackgroundRemoval"]["radius"] == 6
    assert local["BackgroundRemoval"]["regularization"] == 1e-4
    assert 1 <= local["BackgroundRemoval"]["IterationsDone"] <= 30
    assert 0 < local["BackgroundRemoval"]["ErodedFraction"] < 1
    assert "integers of -4096" in local["PhaseScaling"]
    description = json.loads((out / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"
    assert description["GeneratedBy"][0]["Name"] == "qsmbench"
    assert description["SourceDatasets"] == [{"URL": "../.."}]
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    prepare_bids(root, out, SETTINGS, ["02"])
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before
    # Derivatives inside the dataset are no input of the next run.
    assert len(find_acquisitions(root)) == 2


def test_masks_of_another_dataset_are_used(bids_dir, tmp_path, head):
    masks = tmp_path / "masks"
    (masks / "sub-01" / "anat").mkdir(parents=True)
    path = masks / "sub-01" / "anat" / "sub-01_desc-brain_mask.nii.gz"
    save(path, head.mask.astype(np.uint8), head.grid.matrix)
    (written,) = prepare_bids(bids_dir, tmp_path / "out", SETTINGS, masks=masks)
    np.testing.assert_array_equal(read_volume(written.paths["mask"]).data != 0, head.mask)
    path.unlink()
    with pytest.raises(InputError, match="has no mask for sub-01"):
        prepare_bids(bids_dir, tmp_path / "out2", SETTINGS, masks=masks)
    assert not (tmp_path / "out2").exists()


def mistakes_of(bids_dir, tmp_path, **options):
    with pytest.raises(InputError) as error:
        prepare_bids(bids_dir, tmp_path / "out", SETTINGS, **options)
    assert not (tmp_path / "out").exists()
    return str(error.value).splitlines()


def test_all_mistakes_of_a_dataset_are_told_together(tmp_path, noisy):
    root = write_bids(tmp_path / "raw", noisy, ("01", "02", "03"))
    anat(root, "echo-2_part-phase_MEGRE.nii.gz").unlink()
    damaged = root / "sub-02" / "anat" / "sub-02_echo-3_part-mag_MEGRE.nii.gz"
    damaged.write_bytes(damaged.read_bytes()[:-500])
    (root / "sub-02" / "anat" / "sub-02_echo-1_part-mag_MEGRE.json").write_text("{")
    (root / "sub-03" / "anat" / "sub-03_echo-4_part-mag_MEGRE.json").write_text('{"EchoTime": 31.4}')
    lines = mistakes_of(root, tmp_path)
    assert "echo 2 of 4 of sub-01_MEGRE has no part-phase file" in lines[0]
    assert any("sub-02_echo-1_part-mag_MEGRE.json is not valid JSON" in line for line in lines)
    assert any("sub-02_echo-3_part-mag_MEGRE.nii.gz is cut short or damaged" in line for line in lines)
    assert any(
        "sub-03_echo-4_part-phase_MEGRE.nii.gz: EchoTime is 0.0314 s, but 31.4 s for part-mag" in x for x in lines
    )
    assert all("sub-0" in line for line in lines)
    assert len(lines) == len(set(lines)) <= 6


@pytest.mark.parametrize(
    ("sidecar", "message"),
    [
        ({"EchoTime": 10.4}, "but 0.0104 s"),
        ({}, "lacks EchoTime; give a number in s"),
        ({"EchoTime": "0.01"}, "has '0.01' for EchoTime"),
        ({"EchoTime": 0.0104, "MagneticFieldStrength": 7}, "MagneticFieldStrength differs within sub-01_MEGRE"),
        ({"EchoTime": 0.0104, "B0_dir": [0, 1]}, "B0_dir must be three numbers"),
    ],
)
def test_sidecars_that_will_not_do(bids_dir, tmp_path, sidecar, message):
    anat(bids_dir, "echo-1_part-phase_MEGRE.json").write_text(json.dumps(sidecar))
    lines = mistakes_of(bids_dir, tmp_path)
    assert message in "\n".join(lines)


def test_a_missing_magnitude_subject_or_folder(bids_dir, tmp_path):
    assert "no subject '9'; it has 01" in mistakes_of(bids_dir, tmp_path, subjects=["9"])[0]
    for path in (bids_dir / "sub-01" / "anat").glob("*part-phase*"):
        path.unlink()
    assert "has no part-phase beside it" in mistakes_of(bids_dir, tmp_path)[0]
    assert "is not a folder" in mistakes_of(bids_dir / "nowhere", tmp_path)[0]
    (tmp_path / "empty").mkdir()
    assert "has no folder sub-*" in mistakes_of(tmp_path / "empty", tmp_path)[0]
    with pytest.raises(InputError, match="is the dataset itself"):
        prepare_bids(bids_dir, bids_dir, SETTINGS)
