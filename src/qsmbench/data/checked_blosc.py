"""Blosc as anybody may have packed it: a chunk whose header does not fit its length is refused before it is unpacked.

The library trusts the length that a chunk claims for itself, and reads beyond a chunk that is shorter: a damaged file
ends the process. Its own remedy is a check of the header first (``blosc_cbuffer_validate`` in c-blosc's blosc.h,
https://github.com/Blosc/c-blosc), which numcodecs leaves out; it is made here.
"""

from __future__ import annotations

import struct
from functools import cache
from math import prod
from typing import TYPE_CHECKING

import zarr
from zarr.codecs import BloscCodec
from zarr.registry import register_codec

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer

# Four bytes of versions and flags, then the lengths unpacked, of a block, and packed.
_HEADER = struct.Struct("<4x3I")
# What other codecs may have put around the numbers, a checksum for instance.
_MORE = 64


class CheckedBlosc(BloscCodec):
    """Zarr's codec, with a look at the header of each chunk."""

    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        head = chunk_bytes[: _HEADER.size].to_bytes()
        if len(head) < _HEADER.size:
            raise ValueError(f"a Blosc chunk of {len(head)} bytes is cut off")
        unpacked, _, packed = _HEADER.unpack(head)
        if packed != len(chunk_bytes):
            raise ValueError(f"a Blosc chunk of {len(chunk_bytes)} bytes claims {packed}")
        expected = prod(chunk_spec.shape) * chunk_spec.dtype.to_native_dtype().itemsize
        if unpacked > expected + _MORE:
            raise ValueError(f"a Blosc chunk claims {unpacked} bytes for values of {expected}")
        return super()._decode_sync(chunk_bytes, chunk_spec)


@cache
def check_blosc() -> None:
    """Have every Zarr array that is opened from now on unpacked by `CheckedBlosc`."""
    register_codec("blosc", CheckedBlosc, qualname="qsmbench.data.checked_blosc.CheckedBlosc")
    zarr.config.set({"codecs.blosc": "qsmbench.data.checked_blosc.CheckedBlosc"})
