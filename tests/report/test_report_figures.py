import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.core.scan import Reference, Scan
from qsmbench.report.curves import curve_alt_text, read_record, training_figure
from qsmbench.report.figures import alt_text, subject_figure
from qsmbench.report.slices import choose_planes
from qsmbench.report.volumes import SetVolumes, Subject, subject_of
from qsmbench.sets.zarr_maps import create_maps

LABELS = {"tkd": "TKD", "l2": "L2", "net": "Net"}


def subject(mask: np.ndarray, voxel_size: tuple[float, float, float], oriented: bool = False) -> Subject:
    zeros = np.zeros(mask.shape, np.float32)
    return Subject("0", voxel_size, zeros, mask, zeros, {"tkd": zeros, "l2": None}, oriented)


def test_planes_pass_through_the_centre_of_mass_with_physical_proportions() -> None:
    mask = np.zeros((40, 30, 20), bool)
    mask[10:21, 8:19, 5:10] = True
    planes = choose_planes(subject(mask, (0.5, 1.0, 2.0)))
    assert planes.centre == (15, 13, 7)
    # The mask and two voxels beyond it: 15, 15 and 9 voxels.
    assert planes.extent("axial") == (7.5, 15.0)
    assert planes.extent("coronal") == (7.5, 18.0)
    assert planes.extent("sagittal") == (15.0, 18.0)


def test_planes_of_an_empty_mask_are_the_middle_of_the_volume() -> None:
    assert choose_planes(subject(np.zeros((8, 6, 4), bool), (1, 1, 1))).centre == (4, 3, 2)


@pytest.mark.parametrize("codes", ["RAS", "LPS", "ASR", None])
def test_radiological_convention_from_any_orientation(codes: str | None) -> None:
    """One bright voxel towards the patient's right, anterior and superior, stored in several axis orders."""
    ras = np.zeros((8, 9, 10), np.float32)
    ras[6, 7, 8] = 1.0
    stored, sizes = ras, (1.0, 2.0, 3.0)
    if codes == "LPS":
        stored = ras[::-1, ::-1]
    elif codes == "ASR":
        stored, sizes = ras.transpose(1, 2, 0), (2.0, 3.0, 1.0)
    grid = Grid(stored.shape, sizes)
    mask = np.ones(stored.shape, bool)
    scan = Scan(np.ascontiguousarray(stored), mask, grid)
    one = subject_of("one", scan, Reference(np.ascontiguousarray(stored), mask, grid), {}, axis_codes=codes)
    assert one.voxel_size == (1.0, 2.0, 3.0)
    assert one.chi_ref is not None
    np.testing.assert_array_equal(one.chi_ref, ras)
    planes = choose_planes(one)
    object.__setattr__(planes, "centre", (6, 7, 8))
    rows = {
        plane: np.argwhere(planes.cut(one.chi_ref, plane))[0].tolist() for plane in ("axial", "coronal", "sagittal")
    }
    if codes is None:
        assert planes.sides("axial") == ("", "")
        assert "not marked" in planes.convention()
        assert rows == {"axial": [1, 6], "coronal": [1, 6], "sagittal": [1, 7]}
    else:
        # Right and anterior on the left of the picture, anterior and superior towards its top.
        assert planes.sides("axial") == ("R", "L")
        assert planes.sides("sagittal") == ("A", "P")
        assert rows == {"axial": [1, 1], "coronal": [1, 1], "sagittal": [1, 1]}


def test_figure_is_the_same_twice_and_shows_window_and_failure(run) -> None:
    data = run.volumes("synthetic/test")
    failed = data.read(1)
    assert failed.estimates["net"] is None
    png = subject_figure(failed, LABELS, {"tkd": "RMSE 32.0 %"})
    assert png == subject_figure(failed, LABELS, {"tkd": "RMSE 32.0 %"})
    picture = Image.open(io.BytesIO(png))
    assert picture.info == {}
    colours = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    # The failed panel's ground, white of zero error, and both ends of the diverging map on the bar.
    for colour in ((253, 236, 234), (103, 0, 31), (5, 48, 97)):
        assert (colours == colour).all(axis=1).sum() > 10
    assert "Failed: Net." in alt_text(failed, LABELS, "Set")
    assert "by TKD, L2," in alt_text(failed, LABELS, "Set")


def test_figure_without_reference_or_methods(run) -> None:
    one = run.volumes("one").read(0)
    bare = Subject(one.name, one.voxel_size, one.local_field, one.mask, None, {}, one.oriented)
    full = Image.open(io.BytesIO(subject_figure(one, LABELS)))
    small = Image.open(io.BytesIO(subject_figure(bare, LABELS)))
    assert small.size[1] < full.size[1]


def test_reference_and_estimate_of_the_same_chi_look_the_same(run) -> None:
    """Same window: the pixels of a perfect estimate are the reference's, and its error is white."""
    one = run.volumes("one").read(0)
    assert one.chi_ref is not None
    perfect = Subject(one.name, one.voxel_size, one.chi_ref, one.mask, one.chi_ref, {"tkd": one.chi_ref}, False)
    pixels = np.asarray(Image.open(io.BytesIO(subject_figure(perfect, {"tkd": "TKD"}))).convert("RGB")).astype(int)
    coloured = (np.abs(pixels - pixels.mean(axis=2, keepdims=True)) > 3).any(axis=2)
    # Only the colour bar at the foot has colour.
    assert coloured.any()
    assert not coloured[: int(0.85 * len(coloured))].any()


def test_stores_that_do_not_fit_are_refused(run, tmp_path: Path) -> None:
    spec = run.sets["one"].spec
    with pytest.raises(InputError, match="is not a Zarr store"):
        SetVolumes(spec.open(run.layout, "nothing")).read(0)
    one = run.sets["one"]
    with pytest.raises(InputError, match="no Zarr store of maps"):
        one.read_map(tmp_path, "00000")
    create_maps(tmp_path / "other", 1, (3, 4, 5), {})
    with pytest.raises(InputError, match="reconstruct again"):
        one.read_map(tmp_path / "other", "00000")


def test_training_curve(run) -> None:
    record = read_record(run.layout.training_record("net"))
    assert training_figure(record) == training_figure(record)
    text = curve_alt_text(record, "Net")
    assert "loss goes from 0.5 at step 1 to 0.2 at step 4" in text
    assert "validation RMSE (%) goes from 90 to 70" in text


def test_training_curve_without_validation(tmp_path: Path) -> None:
    (tmp_path / "record.csv").write_text("step,loss,validation_rmse\n1,0.5,\n2,0.4,\n")
    record = read_record(tmp_path / "record.csv")
    assert "RMSE" not in curve_alt_text(record, "Net")
    narrow = Image.open(io.BytesIO(training_figure(record)))
    both = Image.open(io.BytesIO(training_figure(record.assign(validation_rmse=[90.0, 80.0]))))
    assert both.size[0] == 2 * narrow.size[0]


@pytest.mark.parametrize(("text", "match"), [("", "as a training record"), ("step,x\n1,2\n", "lacks the column loss")])
def test_bad_records_are_refused(tmp_path: Path, text: str, match: str) -> None:
    (tmp_path / "record.csv").write_text(text)
    with pytest.raises(InputError, match=match):
        read_record(tmp_path / "record.csv")
    with pytest.raises(InputError, match="no training record"):
        read_record(tmp_path / "other.csv")


def test_records_of_many_steps(tmp_path: Path) -> None:
    steps = np.arange(1, 201)
    record = pd.DataFrame({"step": steps, "loss": 1.0 / steps, "validation_loss": np.nan})
    assert len(training_figure(record)) > 1000
