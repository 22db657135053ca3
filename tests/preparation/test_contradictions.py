"""What files say against each other and against physics: refused or said, never silently believed."""

import json
from dataclasses import replace

import numpy as np
import pytest
from little_bids import save, write_bids
from little_scan import TIMES, little

from qsmbench.cli.main import main
from qsmbench.core.b0 import check_b0
from qsmbench.core.errors import InputError
from qsmbench.core.units import GAMMA_MHZ_PER_T
from qsmbench.data.field_units import to_ppm
from qsmbench.preparation.bids import load
from qsmbench.preparation.bids_files import find_acquisitions
from qsmbench.preparation.echoes import check_echo_times
from qsmbench.preparation.loose_scan import load_files
from qsmbench.preparation.mask_checks import mask_doubts
from qsmbench.preparation.pipeline import prepare
from qsmbench.preparation.settings import PhaseSettings, PreparationSettings

SETTINGS = PreparationSettings(swi=None)
PHASE = PhaseSettings()


@pytest.mark.parametrize("b0", [0.55, 1.5, 3.0, 7.0])
@pytest.mark.parametrize(("unit", "per_tesla"), [("gauss", 1e4), ("mT", 1e3), ("MHz", GAMMA_MHZ_PER_T)])
def test_b0_in_another_unit_is_refused_with_the_tesla_it_is(b0, unit, per_tesla):
    if b0 * per_tesla > 25:
        with pytest.raises(InputError, match=rf"in tesla, got .*{unit}.* is {b0:.4g} T"):
            check_b0(b0 * per_tesla, "scan")


@pytest.mark.parametrize("factor", [1e3, 1e6, 1e-3, 1e-6])
def test_echo_times_in_another_unit_are_refused(factor):
    with pytest.raises(InputError, match="give seconds"):
        check_echo_times(tuple(t * factor for t in TIMES), "scan")


@pytest.mark.parametrize("b0", [1.5, 3.0, 7.0])
@pytest.mark.parametrize("stated", [None, "right", "rounded", "wrong"])
def test_the_imaging_frequency_tells_b0_or_contradicts_it(tmp_path, b0, stated):
    echoes, _ = little()
    root = write_bids(tmp_path / "raw", replace(echoes, b0=b0))
    value = {None: None, "right": b0, "rounded": round(1.04 * b0, 2), "wrong": 2 * b0}[stated]
    for path in root.glob("*.json"):
        if path.name != "dataset_description.json":
            path.write_text(json.dumps({"MagneticFieldStrength": value, "ImagingFrequency": b0 * GAMMA_MHZ_PER_T}))
    (found,) = find_acquisitions(root)
    if stated == "wrong":
        with pytest.raises(InputError, match="an ImagingFrequency of"):
            load(found, PHASE)
    else:
        assert load(found, PHASE).echoes.b0 == pytest.approx(b0 if value is None else value)


@pytest.mark.parametrize(
    ("key", "values", "said"),
    [
        ("Units", ("rad", "deg"), "Units differ"),
        ("Units", ("", "arbitrary"), "Units differ"),
        ("B0_dir", ([0, 0, 1], [0, 1, 0]), "B0_dir differs"),
        ("MagneticFieldStrength", (3, 1.5), "MagneticFieldStrength differs"),
    ],
)
def test_sidecars_of_one_scan_that_differ_are_refused(tmp_path, key, values, said):
    echoes, _ = little()
    root = write_bids(tmp_path / "raw", echoes)
    for n, path in enumerate(sorted((root / "sub-01" / "anat").glob("*phase*.json"))):
        path.write_text(json.dumps(json.loads(path.read_text()) | {key: values[n > 0]}))
    (found,) = find_acquisitions(root)
    with pytest.raises(InputError, match=said):
        load(found, PHASE)
    for path in (root / "sub-01" / "anat").glob("*phase*.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {key: values[0]}))
    if key != "Units":
        load(found, PHASE)


@pytest.mark.parametrize("offset", [0.0, 2.0, 3000.0])
def test_complex_parts_with_an_offset_are_refused(tmp_path, offset):
    echoes, _ = little()
    root = write_bids(tmp_path / "raw", echoes)
    anat = root / "sub-01" / "anat"
    signal = echoes.magnitude * np.exp(1j * echoes.phase)
    for part, old, parts in (("real", "mag", signal.real), ("imag", "phase", signal.imag)):
        (root / f"part-{old}_MEGRE.json").rename(root / f"part-{part}_MEGRE.json")
        for j, volume in enumerate(parts):
            stem = f"sub-01_echo-{j + 1}_part-"
            save(anat / f"{stem}{part}_MEGRE.nii.gz", (volume + offset).astype(np.float32), echoes.grid.matrix)
            (anat / f"{stem}{old}_MEGRE.nii.gz").unlink()
            (anat / f"{stem}{old}_MEGRE.json").rename(anat / f"{stem}{part}_MEGRE.json")
    (found,) = find_acquisitions(root)
    if offset:
        with pytest.raises(InputError, match="has both signs"):
            load(found, PHASE)
    else:
        phase = load(found, PHASE).echoes.phase
        assert np.abs(np.angle(np.exp(1j * (phase - echoes.phase)))).max() < 1e-4


def loose(folder, echoes):
    paths = {"phase": [], "magnitude": []}
    for what, found in paths.items():
        for j, volume in enumerate(getattr(echoes, what)):
            found.append(folder / f"{what}{j}.nii.gz")
            save(found[-1], volume, echoes.grid.matrix)
    return paths["phase"], paths["magnitude"]


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_loose_files_sidecar_against_what_is_given(tmp_path, which):
    echoes, _ = little()
    phase, magnitude = loose(tmp_path, echoes)
    given = {"echo_times": TIMES, "b0": 3.0, "settings": PHASE}
    side = tmp_path / f"phase{which}.json"
    side.write_text(json.dumps({"EchoTime": TIMES[which], "MagneticFieldStrength": 3}))
    assert load_files(phase, magnitude, **given).warnings == ()
    side.write_text(json.dumps({"EchoTime": 2 * TIMES[which]}))
    with pytest.raises(InputError, match="its sidecar says an EchoTime of"):
        load_files(phase, magnitude, **given)
    side.write_text(json.dumps({"MagneticFieldStrength": 1.5}))
    said = load_files(phase, magnitude, **given).warnings
    assert [("1.5 T by its sidecar" in line) for line in said] == ([True] if which == 0 else [])


@pytest.mark.parametrize("key", ["EchoTimes", "EchoTime"])
def test_echo_times_of_a_file_with_all_echoes(tmp_path, key):
    echoes, _ = little()
    for what in ("phase", "magnitude"):
        save(tmp_path / f"{what}.nii.gz", np.moveaxis(getattr(echoes, what), 0, -1), echoes.grid.matrix)
    files = [tmp_path / "phase.nii.gz"], [tmp_path / "magnitude.nii.gz"]
    (tmp_path / "phase.json").write_text(json.dumps({key: list(TIMES)}))
    load_files(*files, echo_times=TIMES, b0=3.0, settings=PHASE)
    with pytest.raises(InputError, match="--echo-times contradicts"):
        load_files(*files, echo_times=(0.004, 0.009, 0.015), b0=3.0, settings=PHASE)


@pytest.mark.parametrize("pair", [(0, 1), (0, 2), (1, 2)])
def test_one_echo_given_twice_or_empty_is_refused(pair):
    echoes, mask = little()
    phase = echoes.phase.copy()
    phase[pair[1]] = phase[pair[0]]
    with pytest.raises(InputError, match=f"echoes {pair[0] + 1} and {pair[1] + 1} have the same phase"):
        prepare(replace(echoes, phase=phase), SETTINGS, mask)
    phase[pair[1]] = 1.0
    with pytest.raises(InputError, match=f"the phase of echo {pair[1] + 1} is 1 everywhere"):
        prepare(replace(echoes, phase=phase), SETTINGS, mask)


@pytest.mark.parametrize("order", [(2, 1, 0), (0, 2, 1), (1, 0, 2)])
def test_a_magnitude_that_grows_is_one_of_another_order(order):
    echoes, mask = little()
    assert not any("magnitude grows" in line for line in prepare(echoes, SETTINGS, mask).warnings)
    other = replace(echoes, phase=echoes.phase[list(order)], magnitude=echoes.magnitude[list(order)])
    assert any("magnitude grows at echo" in line for line in prepare(other, SETTINGS, mask).warnings)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("which", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 2)])
def test_slices_negated_in_some_echoes_are_put_right(axis, which):
    echoes, mask = little()
    odd = (np.arange(mask.shape[axis]) % 2 == 1).reshape([-1 if a == axis else 1 for a in range(3)])
    phase = echoes.phase.copy()
    for echo in which:
        phase[echo] = np.angle(np.exp(1j * (phase[echo] + np.pi * odd)))
    found, expected = prepare(replace(echoes, phase=phase), SETTINGS, mask), prepare(echoes, SETTINGS, mask)
    shown = ", ".join(str(e + 1) for e in which)
    assert f"slice along axis {'xyz'[axis]} of echo {shown} is negated" in found.warnings[0]
    difference = found.volumes["local_field"] - expected.volumes["local_field"]
    assert np.linalg.norm(difference) < 0.01 * np.linalg.norm(expected.volumes["local_field"])


def test_masks_that_do_not_fit_the_scan_are_said():
    echoes, mask = little()
    hollow = mask.copy()
    hollow[8:14, 8:16, 6:12] = False
    lines = {
        "every voxel": np.ones_like(mask),
        "no signal": np.roll(mask, 11, 0),
        "lies apart": mask & (np.abs(np.arange(22) - 10.5) > 2)[:, None, None],
        "has holes": hollow,
    }
    assert not any("mask" in line for line in prepare(echoes, SETTINGS, mask).warnings)
    for said, wrong in lines.items():
        assert any(said in line for line in mask_doubts(echoes, wrong)), said


@pytest.mark.parametrize("b0", [1.5, 3.0, 7.0])
def test_a_field_that_is_not_in_ppm_is_questioned(b0):
    rng = np.random.default_rng(0)
    mask = np.ones((8, 9, 10), bool)
    ppm = (0.02 * rng.standard_normal(mask.shape)).astype(np.float32)
    hz = GAMMA_MHZ_PER_T * b0
    for factor, doubted in (
        (1.0, False),
        (3.0, False),
        (hz, True),
        (2 * np.pi * hz, True),
        (1e3, True),
        (1e-6 * b0, True),
    ):
        _, notes = to_ppm((ppm * factor).astype(np.float32), mask, "f", units=None, stated="", b0=None)
        assert any("not one of tissue" in line for line in notes) == doubted


def test_lengths_that_are_not_in_mm_are_refused(tmp_path, capsys):
    echoes, mask = little()
    metres = np.diag([1e-3, 1e-3, 1e-3, 1.0]) @ echoes.grid.matrix
    save(tmp_path / "f.nii.gz", np.where(mask, np.float32(0.01), 0), metres)
    save(tmp_path / "m.nii.gz", mask.astype(np.uint8), metres)
    files = ["--local-field", str(tmp_path / "f.nii.gz"), "--mask", str(tmp_path / "m.nii.gz")]
    assert main(["reconstruct", "tkd", *files, "--out", str(tmp_path / "chi.nii.gz")]) == 2
    assert "are its lengths in m" in capsys.readouterr().err


def test_the_python_face_reads_sidecars_and_masks_as_the_commands_do(tmp_path):
    import qsmbench

    echoes, mask = little()
    phase, magnitude = loose(tmp_path, echoes)
    soft = np.where(mask, 0.9, 0.2).astype(np.float32)
    save(tmp_path / "soft.nii.gz", soft, echoes.grid.matrix)
    (tmp_path / "phase0.json").write_text(json.dumps({"B0_dir": [0, 1, 0]}))
    found = qsmbench.prepare(phase, magnitude, echo_times=TIMES, b0=3, mask=tmp_path / "soft.nii.gz")
    np.testing.assert_array_equal(found.volumes["mask"], mask)
    assert found.grid.b0_dir == (0, 1, 0)
    assert any("probabilities" in line for line in found.warnings)
    field = np.where(mask, np.float32(3.0), 0)
    save(tmp_path / "f.nii.gz", field, echoes.grid.matrix)
    (tmp_path / "f.json").write_text(json.dumps({"Units": "Hz", "MagneticFieldStrength": 3}))
    with pytest.warns(UserWarning, match="probabilities"), pytest.warns(UserWarning, match="converted from hz"):
        scan = qsmbench.load_scan(tmp_path / "f.nii.gz", tmp_path / "soft.nii.gz")
    assert float(scan.local_field.max()) == pytest.approx(3 / (3 * GAMMA_MHZ_PER_T), rel=1e-5)
    with pytest.warns(UserWarning, match="probabilities"):
        assert int(qsmbench.load_scan(field, soft, voxel_size=(3, 3, 3.6)).mask.sum()) == int(mask.sum())
