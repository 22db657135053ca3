"""No command writes over a file that it read."""

import numpy as np
import pytest
from little_bids import save
from little_scan import TIMES, little

from qsmbench.cli.main import main

LOCAL = ["reconstruct", "tkd", "--local-field", "field", "--mask", "mask", "--out"]
COMMANDS = {
    "map over the field": [*LOCAL, "field"],
    "map over the mask": [*LOCAL, "mask"],
    "map over the field, by another name": [*LOCAL, "link"],
    "total field in its place": ["prepare", "--total-field", "local_field", "--mask", "mask", "--out-dir", "."],
    "mask in its place": ["prepare", "--total-field", "field", "--mask", "local_mask", "--out-dir", "."],
    "magnitude in its place": ["prepare", "--phase", "phase", "--magnitude", "magnitude", "--out-dir", "."],
    "map over the field's sidecar": [*LOCAL, "field.nii"],
    "phase in its place": ["prepare", "--phase", "offset", "--magnitude", "other", "--out-dir", "."],
}


@pytest.fixture
def scan(tmp_path):
    echoes, mask = little()
    field = np.where(mask, np.linspace(-0.02, 0.02, mask.size).reshape(mask.shape), 0).astype(np.float32)
    last = {"phase": np.moveaxis(echoes.phase, 0, -1), "other": np.moveaxis(echoes.magnitude, 0, -1)}
    volumes = {"field": field, "local_field": field, "mask": mask.astype("u1"), "local_mask": mask.astype("u1"), **last}
    for name, data in (volumes | {"magnitude": last["other"], "offset": last["phase"]}).items():
        save(tmp_path / f"{name}.nii.gz", data, echoes.grid.matrix)
    (tmp_path / "link.nii.gz").symlink_to(tmp_path / "field.nii.gz")
    (tmp_path / "field.json").write_text('{"Units": "ppm"}')
    return tmp_path


@pytest.mark.parametrize("kind", COMMANDS)
def test_an_output_that_is_an_input_is_refused(scan, kind, capsys):
    before = {path.name: path.read_bytes() for path in scan.iterdir()}
    words = COMMANDS[kind]
    command = [
        str(scan / f"{w}.nii.gz") if f"{w}.nii.gz" in before else str(scan / w) if w in (".", "field.nii") else w
        for w in words
    ]
    if "--phase" in command:
        command += ["--mask", str(scan / "mask.nii.gz"), "--b0", "3", "--echo-times", *map(str, TIMES)]
    assert main(command) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert "is an input and would be written over; give another output path" in said[0]
    assert {path.name: path.read_bytes() for path in scan.iterdir()} == before
    if kind == "magnitude in its place":
        command[command.index("--out-dir") + 1] = str(scan / "out")
        assert main(command) == 0
