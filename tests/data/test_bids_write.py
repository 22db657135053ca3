import json

import numpy as np
import pytest

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.data.bids_write import write_description, write_map, write_megre, write_participants
from qsmbench.data.nifti import read_volume

GRID = Grid((6, 5, 4), (1.0, 1.0, 2.0))
METADATA = {"EchoTime": [0.01, 0.02], "MagneticFieldStrength": 3.0}


@pytest.fixture
def echoes():
    rng = np.random.default_rng(0)
    return [
        (rng.standard_normal(GRID.shape) + 1j * rng.standard_normal(GRID.shape)).astype(np.complex64) for _ in range(2)
    ]


def test_echoes_come_back_as_magnitude_and_phase(tmp_path, echoes):
    written = write_megre(tmp_path, "01", echoes, GRID, METADATA)
    assert [p.name for p in written] == [
        f"sub-01_echo-{n}_part-{part}_MEGRE.nii.gz" for n in (1, 2) for part in ("mag", "phase")
    ]
    assert all(p.parent == tmp_path / "sub-01/anat" for p in written)
    for number, echo in enumerate(echoes):
        magnitude, phase = (read_volume(path).data for path in written[2 * number : 2 * number + 2])
        scale = 32000 / max(np.abs(e).max() for e in echoes)
        assert np.abs(magnitude / scale - np.abs(echo)).max() < 1 / scale
        assert np.allclose(phase, np.angle(echo), atol=1e-6)


def test_sidecars_hold_each_echos_time_and_its_units(tmp_path, echoes):
    write_megre(tmp_path, "01", echoes, GRID, METADATA)
    anat = tmp_path / "sub-01/anat"
    phase = json.loads((anat / "sub-01_echo-2_part-phase_MEGRE.json").read_text())
    assert phase == {"EchoTime": 0.02, "MagneticFieldStrength": 3.0, "Units": "rad"}
    assert json.loads((anat / "sub-01_echo-1_part-mag_MEGRE.json").read_text())["Units"] == "arbitrary"


def test_echo_times_must_match_the_echoes(tmp_path, echoes):
    with pytest.raises(InputError, match="2 echoes, but 1 echo times"):
        write_megre(tmp_path, "01", echoes, GRID, METADATA | {"EchoTime": [0.01]})


def test_descriptions_say_what_made_the_dataset_and_from_what(tmp_path):
    write_description(tmp_path / "raw", "Raw", "1.0", derivative=False, step="acquire")
    write_description(tmp_path / "maps", "Maps", "1.0", derivative=True, sources=["../raw"], step="tkd")
    raw, maps = (json.loads((tmp_path / d / "dataset_description.json").read_text()) for d in ("raw", "maps"))
    assert (raw["DatasetType"], maps["DatasetType"]) == ("raw", "derivative")
    assert raw["GeneratedBy"] == [{"Name": "qsmbench acquire", "Version": "1.0"}]
    assert maps["SourceDatasets"] == [{"URL": "../raw"}]
    assert "SourceDatasets" not in raw


def test_participants_have_one_row_each(tmp_path):
    write_participants(tmp_path, {"a": "healthy", "b": "with a lesion"}, "About.\n\n")
    assert (tmp_path / "participants.tsv").read_text() == (
        "participant_id\tdescription\nsub-a\thealthy\nsub-b\twith a lesion\n"
    )
    assert (tmp_path / "README").read_text() == "About.\n"


def test_a_map_has_a_sidecar_with_its_unit(tmp_path):
    path = tmp_path / "sub-01_Chimap.nii.gz"
    write_map(path, np.ones(GRID.shape, np.float32), GRID, {"Units": "ppm"})
    assert json.loads((tmp_path / "sub-01_Chimap.json").read_text()) == {"SkullStripped": True, "Units": "ppm"}
