"""The public face: the commands' numbers, whatever volumes come as; readable objects; one line of refusal."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import nibabel
import numpy as np
import pytest

import qsmbench
from qsmbench.cli.main import EXTRA_OF, main

AFFINE = np.array([[0, 1.5, 0, 3], [1, 0, 0, -2], [0, 0, 2.0, 1], [0, 0, 0, 1]])
NOTEBOOK = Path(__file__).parents[1] / "docs/first-map.ipynb"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A field, a mask and a magnitude on a grid whose axes are swapped against the world's."""
    folder = tmp_path_factory.mktemp("api")
    rng = np.random.default_rng(1)
    mask = np.zeros((18, 14, 12), np.uint8)
    mask[3:15, 2:12, 2:10] = 1
    chi = rng.normal(0, 0.05, mask.shape).astype(np.float32) * mask
    field = qsmbench.forward_field(chi, voxel_size=(1, 1.5, 2)) * mask
    volumes = {"chi": chi, "field": field, "mask": mask, "magnitude": np.abs(rng.normal(1, 0.1, mask.shape))}
    for name, volume in volumes.items():
        nibabel.save(nibabel.Nifti1Image(volume.astype(np.float32), AFFINE), folder / f"{name}.nii.gz")
    return {name: folder / f"{name}.nii.gz" for name in volumes}


def test_importing_loads_nothing_heavy():
    code = "import sys, qsmbench; print([m for m in ('torch', 'scipy', 'nibabel', 'pydantic') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there_and_unknown_ones_are_not():
    assert all(getattr(qsmbench, name) is not None for name in qsmbench.__all__)
    assert set(qsmbench.__all__) <= set(dir(qsmbench))
    with pytest.raises(AttributeError, match="no attribute"):
        _ = qsmbench.nothing


def test_methods_can_be_called_although_it_is_a_folder_too():
    from qsmbench.methods.tkd import TKD

    assert qsmbench.methods()["tkd"] == "TKD"
    assert TKD.__module__ == "qsmbench.methods.tkd"


def test_paths_give_the_commands_map(files, tmp_path):
    scan = qsmbench.load_scan(files["field"], str(files["mask"]))
    made = qsmbench.reconstruct("tkd", scan, threshold=0.15)
    command = ["reconstruct", "tkd", "--option", "threshold=0.15", "--out", str(tmp_path / "chi.nii.gz")]
    assert main([*command, "--local-field", str(files["field"]), "--mask", str(files["mask"])]) == 0
    np.testing.assert_array_equal(nibabel.load(tmp_path / "chi.nii.gz").get_fdata(dtype=np.float32), made.chi)
    saved = made.save(tmp_path / "again.nii.gz")
    np.testing.assert_array_equal(nibabel.load(saved).affine, AFFINE)


def test_arrays_give_what_files_do(files):
    volumes = {name: nibabel.load(path).get_fdata(dtype=np.float32) for name, path in files.items()}
    of_files = qsmbench.load_scan(files["field"], files["mask"])
    of_arrays = qsmbench.load_scan(
        volumes["field"], volumes["mask"], voxel_size=(1, 1.5, 2), magnitude=volumes["magnitude"]
    )
    np.testing.assert_allclose(qsmbench.reconstruct("tkd", of_arrays), qsmbench.reconstruct("tkd", of_files), atol=1e-6)
    assert of_arrays.magnitude is not None


def test_scores_are_the_commands(files, capsys):
    estimate = qsmbench.reconstruct("tkd", qsmbench.load_scan(files["field"], files["mask"]))
    found = qsmbench.score(estimate, files["chi"], files["mask"])
    path = estimate.save(files["chi"].with_name("estimate.nii.gz"))
    assert main(["score", "--estimate", str(path), "--reference", str(files["chi"]), "--mask", str(files["mask"])]) == 0
    assert json.loads(capsys.readouterr().out) == pytest.approx(found)


def test_preparation_takes_arrays(files):
    mask = nibabel.load(files["mask"]).get_fdata() > 0
    field = nibabel.load(files["field"]).get_fdata(dtype=np.float32)
    times = (0.005, 0.010, 0.015)
    phase = np.stack([2 * np.pi * 42.576 * 3 * field * t for t in times]).astype(np.float32)
    made = qsmbench.prepare(
        phase, np.ones_like(phase), echo_times=times, b0=3, mask=mask, voxel_size=(1, 1.5, 2),
        settings={"background": {"kind": "vsharp"}},
    )  # fmt: skip
    assert np.abs(made.volumes["total_field"] - field)[mask].max() < 1e-4


def test_what_is_wrong_is_said(files):
    field, mask = (nibabel.load(files[name]).get_fdata() for name in ("field", "mask"))
    with pytest.raises(qsmbench.InputError, match="voxel_size is missing"):
        qsmbench.load_scan(field, mask)
    with pytest.raises(qsmbench.InputError, match="leave it out"):
        qsmbench.load_scan(files["field"], mask, voxel_size=(1, 1, 1))
    with pytest.raises(qsmbench.InputError, match="did you mean 'tkd'"):
        qsmbench.reconstruct("tdk", qsmbench.load_scan(files["field"], files["mask"]))
    moved = files["mask"].with_name("moved.nii.gz")
    nibabel.save(nibabel.Nifti1Image(mask, np.eye(4)), moved)
    with pytest.raises(qsmbench.InputError, match="lies elsewhere"):
        qsmbench.load_scan(files["field"], moved)


def test_echoes_are_files_or_arrays_and_not_some_of_each(files):
    field = nibabel.load(files["field"]).get_fdata(dtype=np.float32)
    with pytest.raises(qsmbench.InputError, match="as paths and as arrays"):
        qsmbench.prepare([files["field"], field], np.ones((2, *field.shape)), echo_times=(0.005, 0.01), b0=3)


def test_reprs_say_what_a_reader_wants_to_know(files):
    scan = qsmbench.load_scan(files["field"], files["mask"], magnitude=files["magnitude"], b0=3)
    assert "18x14x12 voxels of 1x1.5x2 mm, B0 3 T along (0, 0, 1)" in repr(scan)
    assert repr(scan).endswith(", magnitude>")
    assert repr(qsmbench.reconstruct("tkd", scan)).startswith("<Map by tkd: 18x14x12 voxels")


def test_a_missing_part_is_named_with_what_brings_it(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "rocrate", None)
    for name in [name for name in sys.modules if name.startswith(("rocrate.", "qsmbench.provenance.crate"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "qsmbench.cli.crate", raising=False)
    with (Path(__file__).parents[1] / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    assert main(["crate", str(tmp_path)]) == 2
    assert "pip install 'qsmbench[workflow]'" in capsys.readouterr().err
    wanted = {name: " ".join(extras[extra]).lower() for name, extra in EXTRA_OF.items()}
    assert all({"PIL": "pillow"}.get(name, name).lower() in text for name, text in wanted.items())


def test_the_notebook_runs_from_the_example_scan_to_its_figure(monkeypatch, tmp_path):
    import matplotlib

    monkeypatch.setattr(matplotlib, "rcParams", matplotlib.rcParams)
    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert all(cell.get("outputs", []) == [] for cell in cells), "the notebook is committed without outputs"
    space = {}
    for source in code:
        exec(compile(source, str(NOTEBOOK), "exec"), space)
    assert (tmp_path / "first-map.png").stat().st_size > 20_000
    assert set(space["scores"]) == {"tkd", "l2", "tv"}


def test_a_background_is_removed_in_a_mask_of_probabilities_from_one_half_on(files):
    hard = nibabel.load(files["mask"]).get_fdata() > 0
    soft = np.where(hard, 0.9, 0.0)
    soft[:3, 2:12, 2:10] = 0.3
    field = files["field"]
    size = tuple(nibabel.load(field).header.get_zooms())
    values = nibabel.load(field).get_fdata()
    expected, known = qsmbench.remove_background(values, hard, "lbv", voxel_size=size)
    with pytest.warns(UserWarning, match=r"mask array .* taken for probabilities: inside from 0\.5 on"):
        found, also_known = qsmbench.remove_background(values, soft, "lbv", voxel_size=size)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(also_known, known)
    with pytest.raises(qsmbench.InputError, match="mask array holds several labels"):
        qsmbench.remove_background(values, hard * 1 + (soft == 0.3) * 2, "lbv", voxel_size=size)


def test_maps_are_scored_and_prepared_in_a_mask_of_probabilities_as_the_commands_do(files, tmp_path, capsys):
    hard = nibabel.load(files["mask"]).get_fdata() > 0
    soft = np.where(hard, 0.9, 0.3).astype(np.float32)
    path = tmp_path / "soft.nii.gz"
    nibabel.save(nibabel.Nifti1Image(soft, AFFINE), path)
    estimate, chi = files["field"], files["chi"]
    expected = qsmbench.score(estimate, chi, hard)
    for mask in (soft, path):
        with pytest.warns(UserWarning, match=r"taken for probabilities: inside from 0\.5 on") as said:
            assert qsmbench.score(estimate, chi, mask) == expected
        assert said[0].filename == __file__
    assert main(["score", "--estimate", str(estimate), "--reference", str(chi), "--mask", str(path)]) == 0
    assert json.loads(capsys.readouterr().out) == pytest.approx(expected)
    phase = np.stack([nibabel.load(estimate).get_fdata(dtype=np.float32) * echo for echo in (1, 2)])
    given = {
        "echo_times": (0.005, 0.01),
        "b0": 3,
        "voxel_size": (1, 1.5, 2),
        "settings": {"background": {"kind": "vsharp"}},
    }
    made = qsmbench.prepare(phase, np.ones_like(phase), mask=soft, **given)
    np.testing.assert_array_equal(made.volumes["mask"] > 0, hard)
    assert any("taken for probabilities" in line for line in made.warnings)
