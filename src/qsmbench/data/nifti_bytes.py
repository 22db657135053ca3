"""The bytes of a NIfTI file, unpacked no further than its header promises: what it claims is held against its length.

A gzip stream gives at most 1032 bytes for one (RFC 1951: a code of 2 bits for 258 bytes), so that a small file which
claims a large volume is refused before anything is unpacked, and one that gives more than it claims after that much.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np

from qsmbench.core.damage import reading, shown
from qsmbench.core.errors import InputError

_GZIP = b"\x1f\x8b"
_MOST_RATIO = 1040
# NIfTI-1 and -2: bytes of the header; offset of dim and its type; of bitpix and its type; of vox_offset and its type.
_LAYOUTS = {348: (40, "i2", 72, "i2", 108, "f4"), 540: (16, "i8", 14, "i2", 168, "i8")}
# A volume of 1024^3 with eight echoes in 16 bits.
MOST_BYTES = 16 << 30
# Header extensions and what some tools write after the voxels.
_MORE = 1 << 24


def gzipped(content: bytes, level: int) -> Iterator[bytes]:
    """Pack bytes as a gzip file without time and name, as `gzip.GzipFile` has it, whatever becomes of the parts.

    A `GzipFile` whose disk is full is left with a buffer that complains on standard error once it is forgotten.
    """
    # RFC 1952: deflate, no flags, no time, no extra flags, unknown system.
    yield _GZIP + b"\x08\x00\x00\x00\x00\x00\x00\xff"
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, 0)
    yield packer.compress(content)
    yield packer.flush()
    yield struct.pack("<LL", zlib.crc32(content), len(content) & 0xFFFFFFFF)


def read_bytes(path: Path) -> bytes:
    """Read a plain or gzipped NIfTI file.

    Raises:
        InputError: no such file, a damaged stream, or a length that contradicts the header.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is no regular file" if path.exists() else "does not exist"
        raise InputError(f"{shown(path)} {what}; give a .nii or .nii.gz file")
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise InputError(f"{shown(path)} has {size / 1e9:.1f} GB, more than one scan; split it first")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {shown(path)} ({error.strerror}); check its permissions") from error
    if content[:2] != _GZIP:
        _check(path, claimed_bytes(content[:540]), len(content))
        return content
    with reading(path, "gzip", "it is cut short or damaged: copy or download it again"):
        stream = zlib.decompressobj(wbits=31)
        header = stream.decompress(content, 1024)
    claimed = claimed_bytes(header[:540])
    _check(path, claimed, _MOST_RATIO * size)
    try:
        return header + _unpacked(stream, (claimed or 0) + _MORE - len(header))
    except (EOFError, zlib.error) as error:
        why = "CRC check failed" if "incorrect data check" in str(error) else str(error)
        raise InputError(f"{shown(path)} is cut short or damaged (gzip: {why}); copy or download it again") from error
    except OverflowError as error:
        raise InputError(f"{shown(path)} gives more bytes than its header claims; copy or convert it again") from error


def _unpacked(stream: zlib._Decompress, most: int) -> bytes:
    """The rest of a stream, its checksum compared.

    Raises:
        EOFError: it ends before its end.
        OverflowError: it gives more than ``most`` bytes.
    """
    pieces: list[bytes] = []
    given = 0
    while True:
        piece = stream.decompress(stream.unconsumed_tail, 1 << 24)
        pieces.append(piece)
        given += len(piece)
        if given > most:
            raise OverflowError(given)
        if stream.eof:
            if stream.unused_data[:2] != _GZIP:
                return b"".join(pieces)
            # Streams one after the other are one stream (RFC 1952, 2.2).
            rest, stream = stream.unused_data, zlib.decompressobj(wbits=31)
            pieces.append(stream.decompress(rest, 1 << 24))
            given += len(pieces[-1])
            if stream.eof:
                return b"".join(pieces)
        elif not piece and not stream.unconsumed_tail:
            raise EOFError("the stream ends before its end")


def claimed_bytes(header: bytes) -> int | None:
    """Length of the whole file by its header; None where it is no header of NIfTI or makes no sense."""
    if header[344:347] == b"ni1":
        # Half of two files: its voxels lie in the other one.
        return None
    for order in "<>":
        layout = _LAYOUTS.get(int(np.frombuffer(header[:4], f"{order}i4")[0])) if len(header) >= 348 else None
        if layout is None or len(header) < layout[4] + 8:
            continue
        dim_at, dim_type, bit_at, bit_type, offset_at, offset_type = layout
        dims = [int(d) for d in np.frombuffer(header, f"{order}{dim_type}", 8, dim_at)]
        bits = int(np.frombuffer(header, f"{order}{bit_type}", 1, bit_at)[0])
        offset = float(np.frombuffer(header, f"{order}{offset_type}", 1, offset_at)[0])
        if not 0 < dims[0] <= 7 or any(d < 0 for d in dims[1 : dims[0] + 1]) or bits <= 0:
            return None
        start = int(offset) if np.isfinite(offset) and 0 <= offset < 1e9 else 0
        return prod(dims[1 : dims[0] + 1]) * bits // 8 + start
    return None


def _check(path: Path, claimed: int | None, most: int) -> None:
    if claimed is None:
        return
    if claimed > most:
        raise InputError(
            f"{shown(path)} is cut short: its header promises {claimed} bytes, more than it can hold; copy it again"
        )
    if claimed > MOST_BYTES:
        raise InputError(f"{shown(path)} holds {claimed / 1e9:.1f} GB, more than one scan; split it first")
