"""Scan and Reference: what they refuse, and that nothing outside the mask gets in."""

import math

import numpy as np
import pytest
import torch

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.core.scan import Reference, Scan

GRID = Grid((4, 5, 6), (1.0, 1.0, 2.0))


def parts(**changes):
    """A valid scan's arguments, with changes."""
    rng = np.random.default_rng(1)
    mask = np.zeros(GRID.shape, bool)
    mask[1:3, 1:4, 1:5] = True
    valid = {
        "local_field": rng.normal(size=GRID.shape).astype(np.float32),
        "mask": mask,
        "grid": GRID,
        "magnitude": np.ones(GRID.shape, np.float32),
        "field_noise": np.full(GRID.shape, 1e-3, np.float32),
        "b0": 3.0,
        "echo_times": (0.005, 0.010),
    }
    return {**valid, **changes}


def with_value(name, value, index):
    volume = parts()[name].copy()
    volume[index] = value
    return {name: volume}


INSIDE, OUTSIDE = (2, 2, 2), (0, 0, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mask": np.zeros(GRID.shape, bool)}, "mask is empty"),
        ({"mask": np.ones((4, 5, 7), bool)}, r"mask has shape \(4, 5, 7\), but the grid is \(4, 5, 6\)"),
        ({"local_field": np.ones((4, 5), np.float32)}, r"local_field has shape \(4, 5\)"),
        ({"magnitude": np.ones((4, 5, 6, 2), np.float32)}, r"magnitude has shape \(4, 5, 6, 2\)"),
        ({"field_noise": np.ones((6, 5, 4), np.float32)}, r"field_noise has shape \(6, 5, 4\)"),
        (with_value("local_field", math.nan, INSIDE), "local_field has 1 non-finite voxels .* of 24 inside the mask"),
        (with_value("magnitude", math.inf, INSIDE), "magnitude has 1 non-finite voxels"),
        (with_value("field_noise", -math.inf, INSIDE), "field_noise has 1 non-finite voxels"),
        (with_value("magnitude", -1, INSIDE), "magnitude is negative inside the mask"),
        (with_value("field_noise", -1e-3, INSIDE), "field_noise is negative inside the mask"),
        ({"b0": 0.0}, "B0 must be a field strength in tesla, got 0.0"),
        ({"b0": -3.0}, "B0 must be a field strength in tesla"),
        ({"b0": 127.7}, "B0 must be a field strength in tesla, got 127.7"),
        ({"b0": math.nan}, "B0 must be a field strength in tesla"),
        ({"echo_times": (5.0, 10.0)}, r"echo times must be in seconds, between 0 and 1, got \[5.0, 10.0\]"),
        ({"echo_times": (0.0,)}, "echo times must be in seconds"),
        ({"echo_times": (math.nan,)}, "echo times must be in seconds"),
    ],
)
def test_what_is_wrong_is_said(changes, message):
    with pytest.raises(InputError, match=message):
        Scan(**parts(**changes))


def test_field_outside_the_mask_is_no_data():
    dirty = parts()["local_field"].copy()
    dirty[~parts()["mask"]] = math.nan
    given = dirty.copy()
    scan, clean = Scan(**parts(local_field=given)), Scan(**parts())
    assert bool((scan.local_field[~scan.mask] == 0).all())
    assert torch.equal(scan.local_field, clean.local_field)
    np.testing.assert_array_equal(given, dirty)


@pytest.mark.parametrize("name", ["magnitude", "field_noise"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_outside_the_mask_reaches_no_method(name, value):
    volume = getattr(Scan(**parts(**with_value(name, value, OUTSIDE))), name)
    assert bool(torch.isfinite(volume).all())
    assert torch.equal(volume[INSIDE], getattr(Scan(**parts()), name)[INSIDE])


def test_arrays_and_tensors_of_any_type_become_float32_and_bool():
    plain = Scan(**parts())
    other = Scan(
        **parts(
            local_field=torch.from_numpy(parts()["local_field"]).double(),
            mask=parts()["mask"].astype(np.uint8) * 255,
            magnitude=np.asfortranarray(np.ones(GRID.shape, np.int16)),
        )
    )
    assert other.mask.dtype == torch.bool
    for name in ("local_field", "magnitude", "field_noise"):
        assert getattr(other, name).dtype == torch.float32
        assert torch.equal(getattr(other, name), getattr(plain, name))
    assert torch.equal(other.mask, plain.mask)


def test_big_endian_arrays_as_nifti_may_hold_them():
    field = parts()["local_field"]
    assert torch.equal(Scan(**parts(local_field=field.astype(">f4"))).local_field, Scan(**parts()).local_field)


def test_the_rest_is_optional():
    scan = Scan(**{name: parts()[name] for name in ("local_field", "mask", "grid")})
    assert (scan.magnitude, scan.field_noise, scan.b0, scan.echo_times) == (None, None, None, ())
    assert scan.to("cpu").magnitude is None


def test_to_keeps_everything_and_moves_the_volumes():
    scan = Scan(**parts())
    moved = scan.to("cpu")
    assert moved.device == torch.device("cpu")
    for name in ("local_field", "mask", "magnitude", "field_noise"):
        assert torch.equal(getattr(moved, name), getattr(scan, name))
    assert (moved.grid, moved.b0, moved.echo_times) == (scan.grid, scan.b0, scan.echo_times)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_to_a_gpu_and_back():
    scan = Scan(**parts())
    moved = scan.to("cuda")
    assert moved.device.type == moved.magnitude.device.type == moved.field_noise.device.type == "cuda"
    assert torch.equal(moved.to("cpu").local_field, scan.local_field)


def test_a_scan_cannot_carry_the_truth():
    with pytest.raises(TypeError):
        Scan(**parts(chi=parts()["local_field"]))


def test_reference_of_another_shape_is_refused():
    volume, mask = parts()["local_field"], parts()["mask"]
    assert Reference(volume, mask, GRID).grid is GRID
    with pytest.raises(InputError, match="reference chi has shape"):
        Reference(volume[:3], mask, GRID)
    with pytest.raises(InputError, match="reference mask has shape"):
        Reference(volume, mask[:3], GRID)
