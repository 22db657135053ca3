"""BIDS datasets as copying, editors and operating systems leave them: names, links, sidecars."""

import json

import numpy as np
import pytest
from little_bids import write_bids
from little_scan import TIMES, little

from qsmbench.core.errors import InputError
from qsmbench.data.sidecars import read_json, sidecar_path
from qsmbench.preparation.bids import load
from qsmbench.preparation.bids_files import find_acquisitions, find_mask, subjects_with_phase
from qsmbench.preparation.settings import PhaseSettings

PHASE = PhaseSettings()


@pytest.fixture
def root(tmp_path):
    return write_bids(tmp_path / "raw", little()[0])


@pytest.fixture
def anat(root):
    return root / "sub-01" / "anat"


def renamed(anat, pattern, old, new):
    for path in list(anat.glob(pattern)):
        path.rename(anat / path.name.replace(old, new))


def times_of(root):
    (found,) = find_acquisitions(root)
    return load(found, PHASE).echoes.echo_times


@pytest.mark.parametrize("which", ["*.nii.gz", "*echo-3*.nii.gz", "*echo-3_part-phase*.nii.gz"])
@pytest.mark.parametrize("extension", [".NII.GZ", ".nii.GZ", ".Nii.gz"])
def test_an_extension_in_capitals_loses_no_echo(root, anat, which, extension):
    renamed(anat, which, ".nii.gz", extension)
    assert times_of(root) == TIMES


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("_MEGRE", "_megre", "the suffix is written MEGRE, not megre"),
        ("echo-3", "echo3", "'echo3' is written echo-3"),
        ("echo-3", "Echo-3", "'Echo-3' is written echo-3"),
        ("part-phase", "Part-phase", "'Part-phase' is written part-phase"),
        ("sub-01", "sub-02", "lies in sub-01 and is named sub-02"),
    ],
)
def test_a_name_that_would_lose_an_echo_is_refused(root, anat, old, new, said):
    renamed(anat, "*echo-3*", old, new)
    with pytest.raises(InputError, match=said):
        find_acquisitions(root)


def test_a_file_of_another_session_is_refused(root, anat):
    (root / "sub-01" / "ses-1").mkdir()
    anat.rename(root / "sub-01" / "ses-1" / "anat")
    assert times_of(root) == TIMES
    renamed(root / "sub-01" / "ses-1" / "anat", "*", "sub-01", "sub-01_ses-2")
    with pytest.raises(InputError, match="lies in ses-1 and is named ses-2"):
        find_acquisitions(root)


def test_what_is_hidden_is_no_data(root, anat, tmp_path):
    (anat / ".backup").mkdir()
    for path in list(anat.glob("*")):
        if path.is_file():
            (anat / ".backup" / path.name).write_bytes(path.read_bytes())
            (anat / f"._{path.name}").write_bytes(b"\0\5\x16\7")
    assert times_of(root) == TIMES
    masks = tmp_path / "masks" / "sub-01" / "anat"
    masks.mkdir(parents=True)
    for name in ("sub-01_mask.nii.gz", "._sub-01_mask.nii.gz"):
        (masks / name).touch()
    assert find_mask(tmp_path / "masks", {"sub": "01"}) == masks / "sub-01_mask.nii.gz"
    (anat / "old").mkdir()
    (anat / ".backup" / "sub-01_echo-1_part-mag_MEGRE.nii.gz").rename(anat / "old/sub-01_echo-1_part-mag_MEGRE.nii.gz")
    with pytest.raises(InputError, match=r"old/sub-01_echo-1_part-mag_MEGRE.nii.gz are the same echo"):
        find_acquisitions(root)


@pytest.mark.parametrize("name", ["sub-02", "sub-01/anat", "sub-01/ses-2", "sub-01/ses-2/anat"])
def test_a_link_to_a_folder_that_is_not_there_is_refused(root, tmp_path, name):
    if name == "sub-01/anat":
        (root / name).rename(tmp_path / "elsewhere")
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).symlink_to(tmp_path / "gone")
    (root / "README").symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match=f"{name} is a broken link"):
        find_acquisitions(root)
    if name == "sub-02":
        assert len(find_acquisitions(root, ["01"])) == 1
        with pytest.raises(InputError, match="is a broken link"):
            subjects_with_phase(root)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_a_sidecar_in_any_encoding_is_read(root, anat, encoding):
    for path in anat.glob("*.json"):
        content = json.loads(path.read_text()) | {"InstitutionName": "Universität Zürich"}
        path.write_bytes(json.dumps(content, ensure_ascii=False).encode(encoding))
    assert times_of(root) == TIMES


def test_keys_in_another_case_count_and_none_says_two_things(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"units": "Hz", "b0_dir": [0, 1, 0], "magneticFieldStrength": 3, "Other": 1, "other": 2}')
    assert read_json(path) == {
        "Units": "Hz",
        "B0_dir": [0, 1, 0],
        "MagneticFieldStrength": 3,
        "Other": 1,
        "other": 2,
    }
    path.write_text('{"EchoTime": 0.01, "EchoTime": 0.01}')
    assert read_json(path) == {"EchoTime": 0.01}
    path.write_text('{"EchoTime": 0.01, "EchoTime": 0.02}')
    with pytest.raises(InputError, match=r"says EchoTime twice, 0.01 and 0.02"):
        read_json(path)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("EchoTime", "0.005", "has '0.005' for EchoTime; give a number in s"),
        ("MagneticFieldStrength", "3T", "has '3T' for MagneticFieldStrength; give a number in T"),
        ("Units", ["rad"], "Units must be a text"),
        ("Units", 1, "Units must be a text"),
    ],
)
def test_a_value_of_another_kind_is_one_line(root, anat, key, value, said):
    path = anat / "sub-01_echo-1_part-phase_MEGRE.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    (found,) = find_acquisitions(root)
    with pytest.raises(InputError) as error:
        load(found, PHASE)
    assert [said in line for line in str(error.value).splitlines()].count(True) == 1
    path.write_text("{")
    with pytest.raises(InputError) as error:
        load(found, PHASE)
    assert len(str(error.value).splitlines()) == 1


def test_a_sidecar_direction_against_the_header_is_said(root, anat):
    (found,) = find_acquisitions(root)
    right = load(found, PHASE)
    for direction, said in ((right.echoes.grid.b0_dir, False), ([0, 0, 1], True), ([0, 1, 0], True)):
        for path in anat.glob("*.json"):
            path.write_text(json.dumps(json.loads(path.read_text()) | {"B0_dir": list(direction)}))
        loaded = load(found, PHASE)
        np.testing.assert_allclose(loaded.echoes.grid.b0_dir, direction, atol=1e-6)
        assert any("degrees away; correct the sidecar" in line for line in loaded.warnings) == said


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.NII.GZ", "a.Nii"])
def test_the_sidecar_of_any_extension(tmp_path, name):
    assert sidecar_path(tmp_path / name) == tmp_path / "a.json"
