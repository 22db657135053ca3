"""Pages of results folders on this machine: read-only, for this machine's browser, and nothing but what the pages have.

    /                       the folder's page, or a list of several
    /1/                     the page of the first folder
    /1/figures/NAME.png     its pictures; /1/tables/NAME its tables
    /1/volumes/0/3          subject 3 of set 0, as JSON; /1/volumes/0/3/2 its third map, gzipped NIfTI

An address is matched as a whole and looked up; none becomes a path. Only GET and HEAD are answered, only on the
loopback interface, and only under this machine's names: a page elsewhere whose own name is made to point here (DNS
rebinding) gets nothing.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from qsmbench.core.damage import shown
from qsmbench.core.errors import InputError
from qsmbench.report.live import LiveRun
from qsmbench.report.scripts import policy
from qsmbench.report.template import template_environment

ADDRESS = "127.0.0.1"
_NAMES = ("127.0.0.1", "localhost")
_N, _NAME = "([0-9]{1,8})", "([A-Za-z0-9._-]{1,200})"
_ROUTES = (
    (re.compile(f"/{_N}/"), "_page"),
    (re.compile(f"/{_N}/figures/{_NAME}[.]png"), "_figure"),
    (re.compile(f"/{_N}/tables/{_NAME}"), "_table"),
    (re.compile(f"/{_N}/volumes/{_N}/{_N}"), "_subject"),
    (re.compile(f"/{_N}/volumes/{_N}/{_N}/{_N}"), "_volume"),
)
_TEXT = "text/plain; charset=utf-8"
_HTML = "text/html; charset=utf-8"


class PageServer(ThreadingHTTPServer):
    """A server of some results folders.

    Args:
        runs: the folders.
        port: 0 takes a free one.
        say: is told of what could not be shown, a line each.
    """

    daemon_threads = True

    def __init__(self, runs: Sequence[LiveRun], port: int, say: Callable[[str], None]) -> None:
        super().__init__((ADDRESS, port), _Handler)
        self.runs, self.say = tuple(runs), say

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{ADDRESS}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a reader who has gone."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    server_version, sys_version = "qsmbench", ""
    protocol_version = "HTTP/1.1"
    # A client that says nothing holds no thread for ever.
    timeout = 60

    def do_GET(self) -> None:
        """Answer with a page or a part of one."""
        host, _, port = self.headers.get("Host", "").rpartition(":")
        if host not in _NAMES or port != str(self.server.server_port):
            self._send(_TEXT, f"ask for {self.server.url}", HTTPStatus.MISDIRECTED_REQUEST)
            return
        try:
            self._answer()
        except InputError as error:
            self.server.say(str(error))
            self._send(_TEXT, str(error), HTTPStatus.INTERNAL_SERVER_ERROR)
        except (BrokenPipeError, ConnectionResetError):
            # The reader has gone on to something else.
            self.close_connection = True

    def do_HEAD(self) -> None:
        """Answer with the head alone."""
        self.do_GET()

    def _answer(self) -> None:
        if self.path == "/":
            self._front()
            return
        for pattern, name in _ROUTES:
            found = pattern.fullmatch(self.path)
            if found is None:
                continue
            number, *rest = found.groups()
            if 1 <= int(number) <= len(self.server.runs):
                getattr(self, name)(self.server.runs[int(number) - 1], *rest)
                return
        self._missing()

    def _front(self) -> None:
        runs = self.server.runs
        if len(runs) == 1:
            self.send_response(HTTPStatus.FOUND)
            self.send_header("Location", "/1/")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        template = template_environment("qsmbench.report").get_template("runs.html.jinja")
        entries = [(number, run.title, shown(str(run.root))) for number, run in enumerate(runs, 1)]
        self._send(_HTML, template.render(runs=entries, policy=policy([])))

    def _page(self, run: LiveRun) -> None:
        self._send(_HTML, run.page())

    def _figure(self, run: LiveRun, name: str) -> None:
        self._send("image/png", run.figure(name))

    def _table(self, run: LiveRun, name: str) -> None:
        self._send(_TEXT, run.table(name))

    def _subject(self, run: LiveRun, set_number: str, number: str) -> None:
        about = run.subject(int(set_number), int(number))
        self._send("application/json", None if about is None else json.dumps(about))

    def _volume(self, run: LiveRun, *numbers: str) -> None:
        set_number, number, map_number = map(int, numbers)
        self._send("application/gzip", run.volume(set_number, number, map_number))

    def _missing(self) -> None:
        self._send(_TEXT, "there is nothing here", HTTPStatus.NOT_FOUND)

    def _send(self, kind: str, content: str | bytes | None, status: HTTPStatus = HTTPStatus.OK) -> None:
        if content is None:
            self._missing()
            return
        body = content.encode("utf-8") if isinstance(content, str) else content
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        if kind != _HTML:
            # A page brings its own policy; whatever else is opened as one may do nothing.
            self.send_header("Content-Security-Policy", "default-src 'none'; sandbox")
        else:
            self.send_header("Content-Security-Policy", "frame-ancestors 'none'")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing of every request."""
