"""Blosc chunks that are not what they claim: refused in one line, where the library alone would end the process."""

import struct

import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec

from qsmbench.core.errors import InputError
from qsmbench.sets.zarr_maps import create_maps, map_store, read_map, write_map

SHAPE = (12, 11, 10)


@pytest.fixture
def stored(tmp_path):
    rng = np.random.default_rng(0)
    chi = (rng.normal(size=SHAPE) * (rng.random(SHAPE) > 0.6)).astype(np.float32)
    create_maps(tmp_path, 2, SHAPE, {})
    write_map(tmp_path, 1, chi)
    return tmp_path, chi, map_store(tmp_path) / "chi/c/1/0/0/0"


def claims(chunk: bytes, *, unpacked: int | None = None, packed: int | None = None) -> bytes:
    """Return a chunk with other lengths in its header."""
    was, block, length = struct.unpack("<3I", chunk[4:16])
    return chunk[:4] + struct.pack("<3I", unpacked or was, block, packed or length) + chunk[16:]


DAMAGE = {
    "cut in its header": (lambda chunk: chunk[:9], "of 9 bytes is cut off"),
    "cut after it": (lambda chunk: chunk[:276], "of 276 bytes claims"),
    "longer": (lambda chunk: chunk + bytes(60), "claims"),
    "a bomb": (lambda chunk: claims(chunk, unpacked=2_000_000_000), "claims 2000000000 bytes for values of 5280"),
    "other packed length": (lambda chunk: claims(chunk, packed=4_000_000_000), "claims 4000000000"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_chunk_that_is_not_what_it_claims_is_refused(stored, kind):
    folder, _, file = stored
    damage, said = DAMAGE[kind]
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(InputError, match=said) as raised:
        read_map(folder, 1, SHAPE)
    assert len(str(raised.value).splitlines()) == 1


def test_a_sound_chunk_is_read(stored):
    folder, chi, _ = stored
    assert np.array_equal(read_map(folder, 1, SHAPE), chi)


def test_a_checksum_within_is_no_false_claim(stored):
    folder, chi, _ = stored
    packing = (Crc32cCodec(), BloscCodec(cname="zstd"))
    array = zarr.create_array(
        map_store(folder), name="chi", shape=(2, *SHAPE), chunks=(1, *SHAPE), dtype="float32", zarr_format=3,
        compressors=packing, overwrite=True,
    )  # fmt: skip
    array[1] = chi
    assert np.array_equal(read_map(folder, 1, SHAPE), chi)
