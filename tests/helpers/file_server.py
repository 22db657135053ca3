"""A small file server on this machine that behaves, or misbehaves, as it is told."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What the server serves at every path, and what it was asked for."""

    content: bytes = b""
    etag: str | None = '"v1"'
    ranges: bool = True
    length: bool = True
    wrong_start: bool = False
    # One entry a request, used up in order: a status to answer with, or after how many body bytes to hang up.
    statuses: list[int] = field(default_factory=list)
    drops: list[int] = field(default_factory=list)
    base: str = ""
    # (Range, status) of every request.
    seen: list[tuple[str | None, int]] = field(default_factory=list)

    def url(self, name: str = "file.bin") -> str:
        return f"{self.base}/{name}"


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def log_message(self, *args: object) -> None:
        pass

    def _reply(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.site.seen.append((self.headers.get("Range"), status))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        site = self.site
        if site.statuses:
            status = site.statuses.pop(0)
            if status != 200:
                return self._reply(status, {"Content-Length": "0"})
        total = len(site.content)
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        current = self.headers.get("If-Range") in (None, site.etag)
        headers = {"ETag": site.etag} if site.etag else {}
        start, status = 0, 200
        if wanted and site.ranges and current:
            start, status = int(wanted[1]), 206
            if start >= total:
                return self._reply(416, {"Content-Range": f"bytes */{total}", "Content-Length": "0"})
            start -= 1 if site.wrong_start else 0
            headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
        body = site.content[start:]
        if site.length:
            headers["Content-Length"] = str(len(body))
        return self._reply(status, headers, body[: site.drops.pop(0)] if site.drops else body)


@contextmanager
def serving() -> Iterator[Site]:
    """The server, on a free port, for as long as the block lasts."""
    site = Site()
    handler = type("Handler", (_Handler,), {"site": site})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    site.base = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    server.shutdown()
    thread.join()
    server.server_close()
