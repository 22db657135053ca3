"""Fetch one file over HTTP so that it is whole when it is there: resumed, checked, hashed, moved into place.

The bytes go to ``<destination>.part``. A later call goes on from there with a range request (RFC 9110, section 14),
made conditional on the server still holding the same version (If-Range, section 13.1.5). A finished file leaves its
SHA-256 beside it in ``<destination>.sha256``, in the format of ``sha256sum --check``.

urllib does the transfer: pooch starts every download over, and requests would leave the resuming to us all the same.
"""

import hashlib
import http.client
import json
import logging
import re
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from qsmbench.core.errors import InputError
from qsmbench.data.atomic import flush_to_disk, write_json_atomic, write_text_atomic

log = logging.getLogger(__name__)

_CHUNK = 1 << 18
# Request Timeout, Too Early, Too Many Requests; every 5xx is tried again, too.
_BUSY = frozenset({408, 425, 429})
_NETWORK = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError)
_BY_HAND = "or fetch it by other means and give its path"


class _TryAgainError(Exception):
    """A failure that another attempt may mend."""


@dataclass(frozen=True)
class _Source:
    url: str
    size: int | None
    timeout: float
    progress: bool


def download(
    url: str,
    destination: str | Path,
    *,
    size: int | None = None,
    sha256: str | None = None,
    progress: bool = False,
    attempts: int = 4,
    wait: float = 1.0,
    timeout: float = 30.0,
) -> str:
    """Download ``url`` to ``destination`` unless it is there already, and return the file's SHA-256.

    A file that is there is kept where its hash is the expected one or, with none expected, the one recorded beside it;
    a file without a record is kept where its size is the expected one. With none expected, the hash recorded at the
    first download is expected ever after.

    Args:
        url: http or https.
        destination: the file to make; ``.part`` and ``.sha256`` appear beside it.
        size: expected number of bytes.
        sha256: expected hash, hexadecimal.
        progress: show a bar on a terminal, log lines every 10 % elsewhere.
        attempts: how many times in a row an attempt may bring nothing new before giving up.
        wait: seconds before the second attempt; doubled after each further one.
        timeout: seconds without any byte after which a connection counts as broken.

    Raises:
        InputError: the address is wrong or gone, the host cannot be reached, or the file has another size or hash than
            expected.
    """
    destination = Path(destination)
    if not url.startswith(("http://", "https://")):
        raise InputError(f"cannot download {url!r}: only http and https addresses are supported")
    first = _first_seen(destination) if sha256 is None else None
    wanted = sha256.lower() if sha256 is not None else first
    kept = _kept(destination, size, wanted)
    if kept is not None:
        return kept
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {destination.parent} ({error.strerror}); give another") from error

    part = destination.with_name(destination.name + ".part")
    source = _Source(url, size, timeout, progress)
    while True:
        resumed = _fetch_patiently(source, part, attempts, wait)
        n_bytes, digest = part.stat().st_size, sha256_of(part)
        if size in (None, n_bytes) and wanted in (None, digest):
            break
        _discard(part)
        # The old beginning may be what was wrong; one clean start tells.
        if not resumed:
            wrong = _mismatch(url, size, wanted, n_bytes, digest)
            if first is not None and size in (None, n_bytes):
                record = _record_of(destination)
                raise InputError(f"{wrong}: what was first downloaded is in {record}; remove it to take the new file")
            raise wrong
    flush_to_disk(part)
    part.replace(destination)
    _discard(part)
    _record(destination, digest)
    return digest


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _mismatch(url: str, size: int | None, wanted: str | None, n_bytes: int, digest: str) -> InputError:
    if size not in (None, n_bytes):
        return InputError(f"{url} gave {n_bytes} bytes where {size} were expected; check the address, {_BY_HAND}")
    return InputError(
        f"{url} gave a file with SHA-256 {digest} where {wanted} was expected; check the address, {_BY_HAND}"
    )


def _kept(destination: Path, size: int | None, wanted: str | None) -> str | None:
    if destination.is_dir():
        raise InputError(f"cannot download to {destination}: it is a folder; give a file name")
    if not destination.is_file() or size not in (None, destination.stat().st_size):
        return None
    digest = sha256_of(destination)
    record = destination.with_name(destination.name + ".sha256")
    recorded = record.read_text(encoding="utf-8").split()[:1] if record.is_file() else []
    if wanted is not None:
        keep = digest == wanted
    elif recorded:
        keep = recorded == [digest]
    else:
        keep = size is not None
    if not keep:
        return None
    if recorded != [digest]:
        _record(destination, digest)
    return digest


def _record(destination: Path, digest: str) -> None:
    write_text_atomic(_record_of(destination), f"{digest}  {destination.name}\n")


def _record_of(destination: Path) -> Path:
    return destination.with_name(destination.name + ".sha256")


def _first_seen(destination: Path) -> str | None:
    """The hash that was recorded when the file came for the first time, which it must have ever after."""
    record = _record_of(destination)
    words = record.read_text(encoding="utf-8", errors="replace").split()[:1] if record.is_file() else []
    return words[0] if words and re.fullmatch("[0-9a-f]{64}", words[0]) else None


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


def _fetch_patiently(source: _Source, part: Path, attempts: int, wait: float) -> bool:
    failures, furthest = 0, _length(part)
    while True:
        try:
            return _fetch(source, part)
        except _TryAgainError as error:
            reached = _length(part)
            failures = 1 if reached > furthest else failures + 1
            furthest = max(furthest, reached)
            if failures >= attempts:
                raise InputError(
                    f"cannot download {source.url}: {error}, {failures} times in a row; "
                    f"check the network and try again (what has arrived is kept), {_BY_HAND}"
                ) from error
            log.info("%s: %s; trying again", source.url, error)
            time.sleep(wait * 2 ** (failures - 1))


def _length(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _fetch(source: _Source, part: Path) -> bool:
    """Bring ``part`` to its full length; True where it was begun by an earlier request."""
    offset, validator = _resume_point(source, part)
    if source.size is not None and offset == source.size:
        return True
    headers = {"User-Agent": "qsmbench", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if validator:
            headers["If-Range"] = validator
    try:
        response = urllib.request.urlopen(urllib.request.Request(source.url, headers=headers), timeout=source.timeout)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and offset:
                if _content_range(error.headers)[1] == offset:
                    return True
                _discard(part)
                return _fetch(source, part)
            raise _refusal(source.url, error) from error
    except _NETWORK as error:
        raise _unreachable(source.url, error) from error
    with response:
        return _receive(source, part, response, offset)


def _resume_point(source: _Source, part: Path) -> tuple[int, str | None]:
    """Bytes in hand and the version they belong to; a part from another address or too long is thrown away."""
    note: dict[str, Any] = {}
    if _note(part).is_file():
        try:
            note = json.loads(_note(part).read_text(encoding="utf-8"))
        except ValueError:
            note = {"url": None}
    offset = _length(part)
    if note.get("url", source.url) != source.url or (source.size is not None and offset > source.size):
        _discard(part)
        return 0, None
    return offset, note.get("validator")


def _receive(source: _Source, part: Path, response: Any, offset: int) -> bool:
    if response.status == 206:
        start, total = _content_range(response.headers)
        if start != offset:
            _discard(part)
            raise _TryAgainError(f"the server answered with bytes from {start} where {offset} was asked for")
    else:
        offset = 0
        length = response.headers.get("Content-Length")
        total = int(length) if length is not None and length.isdigit() else None
    if source.size is not None and total not in (None, source.size):
        raise InputError(
            f"{source.url} offers {total} bytes where {source.size} were expected: the file there has changed; "
            f"check the address, {_BY_HAND}"
        )
    try:
        with part.open("r+b" if offset else "wb") as stream, _meter(source, offset, total) as advance:
            write_json_atomic(_note(part), {"url": source.url, "validator": _validator(response.headers)})
            stream.seek(offset)
            for chunk in _chunks(response):
                stream.write(chunk)
                advance(len(chunk))
    except _NETWORK as error:
        raise _TryAgainError(f"the connection broke off after {_length(part)} bytes ({_reason(error)})") from error
    except OSError as error:
        raise InputError(f"cannot write {part} ({error.strerror}); make room there or give another folder") from error
    if total is not None and _length(part) < total:
        raise _TryAgainError(f"the connection broke off after {_length(part)} of {total} bytes")
    return offset > 0


def _chunks(response: Any) -> Iterator[bytes]:
    while chunk := response.read(_CHUNK):
        yield chunk


def _validator(headers: Any) -> str | None:
    """What names this version in If-Range: a strong ETag, or else the date of the last change."""
    etag: str | None = headers.get("ETag")
    if etag and not etag.startswith("W/"):
        return etag
    changed: str | None = headers.get("Last-Modified")
    return changed


def _content_range(headers: Any) -> tuple[int | None, int | None]:
    """First byte and total length of a Content-Range, None for what it does not say."""
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", headers.get("Content-Range", ""))
    if match is None:
        return None, None
    start, total = match.groups()
    return (int(start) if start else None), (int(total) if total != "*" else None)


def _refusal(url: str, error: urllib.error.HTTPError) -> Exception:
    if error.code in _BUSY or error.code >= 500:
        return _TryAgainError(f"the server answered {error.code} {error.reason}")
    return InputError(
        f"cannot download {url}: the server answered {error.code} {error.reason}; check the address, {_BY_HAND}"
    )


def _unreachable(url: str, error: Exception) -> Exception:
    reason = getattr(error, "reason", error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return InputError(f"cannot download {url}: its certificate is not trusted ({_reason(error)}); {_BY_HAND[3:]}")
    return _TryAgainError(f"the host cannot be reached ({_reason(error)})")


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason or type(error).__name__)


@contextmanager
def _meter(source: _Source, offset: int, total: int | None) -> Iterator[Callable[[int], object]]:
    name = source.url.rsplit("/", 1)[-1]
    if source.progress and sys.stderr.isatty():
        with tqdm(desc=name, total=total, initial=offset, unit="B", unit_scale=True, unit_divisor=1024) as bar:
            yield bar.update
    else:
        yield _LogLines(name, offset, total).update if source.progress else _silent


def _silent(n_bytes: int) -> None:
    del n_bytes


class _LogLines:
    """One log line at the start and one every tenth of the way, or every 10 MB where the length is not known."""

    def __init__(self, name: str, offset: int, total: int | None) -> None:
        self.name, self.done, self.total = name, offset, total
        self.step = max(1, total // 10) if total else 10_000_000
        log.info("%s: starting at %d of %s bytes", name, offset, total or "unknown")

    def update(self, n_bytes: int) -> None:
        before, self.done = self.done, self.done + n_bytes
        if self.done // self.step > before // self.step:
            log.info("%s: %d of %s bytes", self.name, self.done, self.total or "unknown")
