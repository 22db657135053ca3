"""A zip from a stranger, unpacked into a folder of ours: looked at before the first byte is written.

Names that climb, are absolute, come twice or hide characters, links, encrypted entries, and more bytes than the disk or
the limits hold are findings, and nothing is unpacked then. What an entry really gives is counted while it is written:
the sizes in a zip's directory are claims. https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (6.3.10), 4.4.
"""

from __future__ import annotations

import resource
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from zipfile import BadZipFile, ZipFile, ZipInfo

from qsmbench.core.damage import is_plain, reading, shown
from qsmbench.core.errors import InputError
from qsmbench.data.regular import DEEPEST, LONGEST_PATH, MOST_FILES, Odd, odd_entries
from qsmbench.provenance.manifest import CRATE

# A run of the default configuration packs to 99 % of its size, one of text alone to 5 %; 42.zip to a millionth.
MOST_RATIO = 200
# Ratios of little files say nothing.
_LITTLE = 100 << 20
_PIECE = 1 << 20


@contextmanager
def opened(results: Path) -> Iterator[tuple[Path, list[Odd]]]:
    """A results folder as it is, or what a zip of one holds for as long as the block runs, in a temporary folder.

    Yields:
        The folder and what is odd in it: where anything is, nothing in the folder may be opened.

    Raises:
        InputError: neither a folder nor a zip of one.
    """
    if results.is_dir():
        yield results, odd_entries(results)
    elif results.is_file():
        with TemporaryDirectory(prefix="qsmbench-audit-") as temporary:
            yield unpack(results, Path(temporary))
    else:
        raise InputError(f"{shown(results)} does not exist; give a results folder or a zip of one")


def unpack(packed: Path, out: Path) -> tuple[Path, list[Odd]]:
    """Unpack a results folder.

    Returns:
        The folder with the crate, and what is odd: where anything is, the folder may hold nothing.

    Raises:
        InputError: no zip file, or none that holds a crate.
    """
    try:
        file = ZipFile(packed)
    except (BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(f"{shown(packed)} is neither a folder nor a zip file ({error})") from error
    with file:
        entries = file.infolist()
        crates = [i.filename for i in entries if PurePosixPath(i.filename).name == CRATE]
        if not crates:
            raise InputError(
                f"{shown(packed)} holds no {CRATE}; zip a whole results folder; see docs/reproducibility.md"
            )
        root = min(crates, key=lambda name: (name.count("/"), name)).removesuffix(CRATE)
        odd = _odd(entries, root, packed.stat().st_size, shutil.disk_usage(out).free)
        if not odd:
            odd = _extract(file, entries, out)
    return out / root, odd


def _odd(entries: list[ZipInfo], root: str, packed: int, free: int) -> list[Odd]:
    if len(entries) > MOST_FILES:
        return [Odd("the zip", f"has {len(entries)} entries, more than {MOST_FILES}")]
    found: list[Odd] = []
    seen: set[str] = set()
    for entry in entries:
        name = entry.filename
        text = _wrong_with(entry)
        # Two names of one file: which of them is believed depends on who unpacks.
        key = name.rstrip("/").casefold()
        if not text and key in seen:
            text = "is there twice"
        if not text and not name.startswith(root) and not entry.is_dir():
            text = "lies outside the folder of the crate"
        seen.add(key)
        if text:
            found.append(Odd(shown(name)[:200] or "''", text))
    claimed = sum(entry.file_size for entry in entries)
    if claimed > free:
        found.append(Odd("the zip", f"claims {claimed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free"))
    if claimed > _LITTLE and claimed > MOST_RATIO * packed:
        text = f"claims {claimed / 1e6:.0f} MB out of {packed / 1e6:.3g} MB, more than {MOST_RATIO} times its size"
        found.append(Odd("the zip", text))
    return found


def _wrong_with(entry: ZipInfo) -> str:
    name = entry.filename
    parts = PurePosixPath(name).parts
    if not name or name.startswith("/") or ".." in parts or (len(name) > 1 and name[1] == ":"):
        return "is no path inside the zip"
    # zipfile cuts a name at its first NUL, and then believes the rest.
    if "\\" in name or not is_plain(name) or not is_plain(entry.orig_filename):
        return "has a name that is no plain text"
    if len(name) > LONGEST_PATH or len(parts) > DEEPEST:
        return "has a path that is too long or too deep"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "is a link; send the file or folder itself"
    if entry.flag_bits & 0x1:
        return "is encrypted"
    return ""


def _extract(file: ZipFile, entries: list[ZipInfo], out: Path) -> list[Odd]:
    # Entries whose bytes lie over each other give one piece of the file many times.
    for entry in entries:
        target = out / entry.filename
        if entry.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        left = entry.file_size
        try:
            with reading(entry.filename, "an entry of the zip"):
                target.parent.mkdir(parents=True, exist_ok=True)
                # A mode of the file's own would follow the zip; what is unpacked is data.
                with file.open(entry) as source, target.open("xb") as sink:
                    while piece := source.read(_PIECE):
                        left -= len(piece)
                        if left < 0:
                            return [Odd(shown(entry.filename), "gives more bytes than the zip says")]
                        sink.write(piece)
        except InputError as error:
            return [Odd(shown(entry.filename), str(error))]
        if left:
            return [Odd(shown(entry.filename), "gives fewer bytes than the zip says")]
    return []


def limit_memory(share: float = 0.8) -> None:
    """Let this process take most of what memory is free and no more, so that what claims more is an error of its own.

    Where a system tells no free memory (Linux does) nothing is limited.
    """
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        free = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")) << 10
    except (OSError, ValueError, IndexError, StopIteration):
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = max(int(share * free), 2 << 30)
    limits = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min([wanted, *limits]), hard))
