"""A small head as a BIDS dataset."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np

from qsmbench.preparation.echoes import Echoes


def save(path, data, affine):
    image = nib.Nifti1Image(data, affine)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)


def write_bids(root: Path, echoes: Echoes, subjects=("01",)):
    """The dataset that a converter would write: integers of +-4096, one sidecar an image, B0 at the top."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "dataset_description.json").write_text(json.dumps({"Name": "test", "BIDSVersion": "1.10.0"}))
    (root / "part-mag_MEGRE.json").write_text(json.dumps({"MagneticFieldStrength": echoes.b0}))
    (root / "part-phase_MEGRE.json").write_text(json.dumps({"MagneticFieldStrength": echoes.b0}))
    for subject in subjects:
        folder = root / f"sub-{subject}" / "anat"
        folder.mkdir(parents=True)
        for j, t in enumerate(echoes.echo_times):
            for part, data in (
                ("mag", (1000 * echoes.magnitude[j]).astype(np.float32)),
                ("phase", np.round(echoes.phase[j] * 4096 / np.pi).astype(np.int16)),
            ):
                stem = folder / f"sub-{subject}_echo-{j + 1}_part-{part}_MEGRE"
                save(f"{stem}.nii.gz", data, echoes.grid.matrix)
                Path(f"{stem}.json").write_text(json.dumps({"EchoTime": t}))
    return root
