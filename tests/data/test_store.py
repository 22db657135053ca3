"""The Zarr store of a synthetic set: exact to its step, whole shards, readable by xarray, growing without loss."""

import hashlib
import warnings

import numpy as np
import pytest
import xarray as xr

from qsmbench.core.errors import InputError
from qsmbench.data.layout import METADATA_FILES, shard_files
from qsmbench.data.store import STEP, StoredSample, StoredSet, create_store, encode, write_shard

SHAPE = (12, 10, 8)


def sample(number: int) -> StoredSample:
    rng = np.random.default_rng(number)
    volumes = rng.normal(scale=0.1, size=(2, *SHAPE)).astype(np.float32)
    return StoredSample(
        volumes[0], volumes[1], rng.random(SHAPE) > 0.4, (0.5 + 0.1 * number, 1.0, 2.0), (0.0, 0.6, 0.8)
    )


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "set.zarr"
    create_store(path, SHAPE, 5, 2, {"recipe": {"shape": list(SHAPE)}})
    for shard in (2, 0, 1):
        write_shard(path, shard, [sample(i) for i in range(2 * shard, min(2 * shard + 2, 5))])
    return path


def test_values_come_back_to_half_a_step(store):
    stored = StoredSet(store)
    assert len(stored) == 5
    for i in range(5):
        expected = sample(i)
        scan, reference = stored.scan(i), stored.reference(i)
        np.testing.assert_array_equal(scan.mask.numpy(), expected.mask)
        inside = expected.mask
        assert np.abs(scan.local_field.numpy() - expected.local_field)[inside].max() <= STEP / 2 * 1.0001
        assert np.abs(reference.chi - expected.chi)[inside].max() <= STEP / 2 * 1.0001
        assert (reference.chi[~inside] == 0).all()
        assert scan.grid.voxel_size == expected.voxel_size
        assert scan.grid.b0_dir == expected.b0_dir


def test_files_are_those_that_the_layout_names(store):
    found = {str(p.relative_to(store)) for p in store.rglob("*") if p.is_file()}
    assert found == {*METADATA_FILES, *(f for shard in range(3) for f in shard_files(shard))}


def test_xarray_opens_it_without_a_warning(store):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with xr.open_zarr(store) as data:
            assert data.chi.dims == ("sample", "x", "y", "z")
            assert data.chi.attrs["units"] == "ppm"
            assert data.attrs["recipe"] == {"shape": list(SHAPE)}
            np.testing.assert_allclose(data.local_field[3].values, sample(3).local_field, atol=STEP)


def test_a_shard_made_again_has_the_same_bytes(store):
    names = shard_files(1)
    before = {name: hashlib.sha256((store / name).read_bytes()).hexdigest() for name in names}
    others = {name: (store / name).stat().st_mtime_ns for shard in (0, 2) for name in shard_files(shard)}
    for name in names:
        (store / name).unlink()
    first = write_shard(store, 1, [sample(2), sample(3)])
    assert {name: hashlib.sha256((store / name).read_bytes()).hexdigest() for name in names} == before
    assert {name: (store / name).stat().st_mtime_ns for name in others} == others
    assert first == write_shard(store, 1, [sample(2), sample(3)])


def test_a_set_can_grow(store):
    create_store(store, SHAPE, 6, 2, {"recipe": {}})
    stored = StoredSet(store)
    assert len(stored) == 6
    np.testing.assert_allclose(
        stored.scan(3).local_field.numpy(), np.where(sample(3).mask, sample(3).local_field, 0), atol=STEP
    )


def test_a_value_that_does_not_fit_is_refused_not_clipped(store):
    np.testing.assert_array_equal(encode(np.array([3.2767, -3.2767, 0.00004]), "chi"), [32767, -32767, 0])
    with pytest.raises(InputError, match=r"chi of sample 2 of set.zarr reaches 3.4 ppm"):
        write_shard(
            store, 1, [StoredSample(np.full(SHAPE, 3.4), np.zeros(SHAPE), np.ones(SHAPE), (1, 1, 1), (0, 0, 1))] * 2
        )
    with pytest.raises(InputError, match="reaches nan ppm"):
        encode(np.array([np.nan]), "chi")


def test_a_shard_takes_its_own_number_of_samples(store):
    with pytest.raises(InputError, match="takes 2 samples, got 1"):
        write_shard(store, 1, [sample(2)])
    with pytest.raises(InputError, match="has no shard 3"):
        write_shard(store, 3, [sample(2)])


def test_what_is_no_set_is_named(tmp_path):
    with pytest.raises(InputError, match="is not a Zarr store"):
        StoredSet(tmp_path / "nothing.zarr")
