"""The real scans: an in-vivo crop in an odd phase scale, and a whole oblique head as BIDS."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest
import torch
from scipy.ndimage import binary_erosion, median_filter

from qsmbench.cli.main import main
from qsmbench.core.grid import Grid
from qsmbench.core.scan import Scan
from qsmbench.data.nifti import read_mask, read_volume
from qsmbench.methods.tkd import TKD


def chi_of(local_path, mask_path):
    field, mask = read_volume(local_path), read_mask(mask_path)
    scan = Scan(torch.from_numpy(field.data), torch.from_numpy(mask), Grid.from_affine(mask.shape, field.affine))
    return TKD()(scan).numpy(), mask


def strays(field, mask, turn):
    """How many voxels would lie nearer to the median around them with a turn more or less."""
    around = median_filter(np.where(mask, field, 0), 3)
    return int((np.abs(field - around)[binary_erosion(mask, np.ones((3, 3, 3)), border_value=1)] > turn / 2).sum())


def test_the_crop_gives_a_field_without_wraps_and_paramagnetic_veins(shared_data, tmp_path):
    source = shared_data / "invivo_crop"
    whole = tmp_path / "whole.nii.gz"
    reference = nib.load(source / "Mag.nii")
    nib.save(nib.Nifti1Image(np.ones(reference.shape[:3], np.uint8), reference.affine), whole)
    out = tmp_path / "out"
    arguments = ["prepare", "--phase", str(source / "Phase.nii"), "--magnitude", str(source / "Mag.nii")]
    arguments += ["--echo-times", "0.004", "0.008", "0.012", "--b0", "3", "--mask", str(whole), "--out-dir", str(out)]
    # The crop is 24 mm wide: a smaller sphere leaves more of it.
    assert main([*arguments, "--option", "background.radius=3"]) == 0
    total = read_volume(out / "total_field.nii.gz").data
    turn = 1 / (42.576 * 3 * 0.004)
    assert strays(total, np.ones(total.shape, bool), turn) == 0
    assert "linear scale, 0.00367438 being pi" in json.loads((out / "local_field.json").read_text())["PhaseScaling"]
    chi, mask = chi_of(out / "local_field.nii.gz", out / "local_mask.nii.gz")
    # Veins are what the SWI darkens; it does not see chi.
    swi, magnitude = (read_volume(out / f"{name}.nii.gz").data for name in ("swi", "magnitude"))
    r2star = read_volume(out / "r2star.nii.gz").data
    veins = mask & (r2star > np.quantile(r2star[mask], 0.97)) & (swi < np.quantile(swi[mask], 0.05))
    assert veins.sum() > 30
    assert chi[veins].mean() > chi[mask].mean() + 2 * chi[mask].std() / np.sqrt(veins.sum())
    assert (magnitude > 0).all()


def test_the_oblique_head_goes_through_as_bids(shared_data, tmp_path, capsys):
    folder = tmp_path / "raw" / "sub-01" / "anat"
    folder.mkdir(parents=True)
    (tmp_path / "raw" / "dataset_description.json").write_text('{"Name": "head", "BIDSVersion": "1.10.0"}')
    for echo in (1, 2):
        for part, ending in (("mag", ""), ("phase", "_ph")):
            for kind in (".nii.gz", ".json"):
                old = shared_data / "invivo_head" / f"2001_WIP_fcMRI_Field_Mapping_enh_e{echo}{ending}{kind}"
                shutil.copyfile(old, folder / f"sub-01_echo-{echo}_part-{part}_MEGRE{kind}")
    out = tmp_path / "out"
    assert main(["prepare", "--bids", str(tmp_path / "raw"), "--out-dir", str(out)]) == 0
    anat = out / "sub-01" / "anat"
    mask = read_mask(anat / "sub-01_desc-brain_mask.nii.gz")
    voxel = 27.0e-3
    assert 1300 < mask.sum() * voxel < 1900
    total = read_volume(anat / "sub-01_desc-total_fieldmap.nii.gz")
    turn = 1 / (42.576 * 3 * 0.0023)
    assert strays(total.data, mask, turn) < 2e-4 * mask.sum()
    sidecar = json.loads((anat / "sub-01_desc-local_fieldmap.json").read_text())
    assert sidecar["B0_dir"] == pytest.approx([-0.0608, 0.0024, 0.9981], abs=1e-3)
    assert sidecar["EchoTimes"] == [0.0023, 0.0046]
    # Air in the frontal sinus pushes the field up above it.
    assert total.data[mask].max() > 1
    assert "diamagnetic" not in capsys.readouterr().err
