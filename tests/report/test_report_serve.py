"""`qsmbench serve`: the page live in a real browser, volumes from the stores, and nothing else to be had."""

import gzip
import http.client
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from opened_page import Opened
from playwright.sync_api import Browser

from qsmbench.cli.main import main
from qsmbench.cli.serve import opened_run
from qsmbench.report.live import LiveRun
from qsmbench.report.server import PageServer
from qsmbench.report.slices import choose_planes
from qsmbench.report.viewer import OUTSIDE
from qsmbench.report.volumes import SetVolumes

START = "import sys; from qsmbench.cli.main import main; sys.exit(main())"
EVIL = "<script>window.evil = 1</script><img src=x onerror='window.evil = 2'>"


@contextmanager
def served(*folders: Path) -> Iterator[PageServer]:
    said: list[str] = []
    with PageServer([LiveRun(folder, opened_run) for folder in folders], 0, said.append) as server:
        server.told = said  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def ask(server: PageServer, path: str, method: str = "GET", host: str | None = None) -> tuple[int, dict, bytes]:
    """One raw request, its path as it stands: nothing on our side tidies it."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host or f"127.0.0.1:{server.server_port}")
    connection.endheaders()
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return found


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in folder.rglob("*") if p.is_file()}


def test_the_page_is_used_live(browser: Browser, results: Path) -> None:
    """Filter, sort, choose, view and keys, without a complaint, a request elsewhere or a file that changes."""
    before = tree(results)
    with served(results) as server:
        window = Opened(browser, server.url)
        page = window.page
        assert page.url == f"{server.url}1/"
        assert page.evaluate("[...document.images].slice(0, 3).every((i) => i.complete && i.naturalWidth > 100)")
        page.fill("#explorer-find", "l2")
        assert page.locator("#explorer-table tbody th").all_inner_texts() == ["L2 & more"]
        page.fill("#explorer-find", "")
        page.locator("#explorer-table thead button").nth(2).click()
        assert page.locator("#explorer-table tbody th").first.inner_text() == "Meta|QSM"
        window.start_plot()
        page.focus("#plot")
        page.keyboard.press("ArrowRight")
        assert "subject 00000: RMSE 30.0 %" in page.inner_text("#plot-reading")
        window.start_viewer()
        # Every subject is there, the chosen ones first; nothing lies in the page.
        assert page.locator("#viewer-subject option").count() == 5
        assert page.locator("script[id^=map-]").count() == 0
        shown = window.canvas("left")
        page.select_option("#viewer-subject", label="00004: largest error")
        shown = window.changed("left", shown)
        page.wait_for_selector("#viewer-readout[data-state=ready]")
        assert page.locator("#viewer-readout tbody tr").count() == 5
        page.select_option("#viewer-set", label="One head")
        page.wait_for_selector("text=Left to right")
        page.focus("#viewer-z")
        page.keyboard.press("ArrowRight")
        window.changed("left", shown)
        page.close()
        assert window.complaints == []
        assert server.told == []  # type: ignore[attr-defined]
    assert tree(results) == before


def test_volumes_are_the_stores_to_one_ppb(results: Path) -> None:
    sets = opened_run(results).sets
    with served(results) as server:
        about = json.loads(ask(server, "/1/volumes/0/2")[2])
        subject = SetVolumes(sets["test"], ["tkd", "l2", "net"]).read(2)
        assert [m["key"] for m in about["maps"]] == ["reference", "tkd", "l2", "net", "local-field"]
        box = choose_planes(subject).box
        for entry in about["maps"]:
            expected = {"reference": subject.chi_ref, "local-field": subject.local_field} | dict(subject.estimates)
            image = nib.Nifti1Image.from_bytes(gzip.decompress(ask(server, f"/1/{entry['url']}")[2]))
            inside = subject.mask[box]
            volume = expected[entry["key"]]
            assert volume is not None
            assert np.abs(image.get_fdata() - volume[box])[inside].max() <= 0.000501
            assert (np.asarray(image.dataobj.get_unscaled())[~inside] == OUTSIDE).all()
        failed = json.loads(ask(server, "/1/volumes/0/1")[2])["maps"][3]
        assert failed["key"] == "net" and not failed["there"] and "url" not in failed
        assert ask(server, "/1/volumes/0/1/3")[0] == 404


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../etc/passwd", "//etc/passwd", "/1/../scores.parquet", "/1/figures/../../scores.parquet",
        "/1/figures/..%2f..%2fscores.parquet", "/1/tables/..%2f..%2fscores.parquet", "/1/tables/../display.json",
        "/1/tables/all.csv/../../scores.parquet", "/1/volumes/0/99999", "/1/volumes/9/0", "/1/volumes/0/0/77",
        "/1/volumes/-1/0", "/1/volumes/0/0/../../../x", "/1/index.html", "/1/scores.parquet", "/0/", "/2/", "/1",
        "/1/?x=..", "http://127.0.0.1/1/", "/1/figures/\\..\\x.png", "/%00", "*",
    ],
)  # fmt: skip
def test_nothing_but_the_page_is_to_be_had(live: PageServer, path: str) -> None:
    status, headers, body = ask(live, path)
    assert status == 404, body
    assert body == b"there is nothing here"
    assert headers["Content-Type"].startswith("text/plain")


@pytest.fixture(scope="module")
def live(make_results, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    with served(make_results(tmp_path_factory.mktemp("live") / "results")) as server:
        yield server


def test_what_there_is_comes_with_its_type_and_is_nobody_elses(live: PageServer, results: Path) -> None:
    types = {
        "/1/": "text/html; charset=utf-8",
        "/1/figures/tile-test-reference.png": "image/png",
        "/1/tables/all.csv": "text/plain; charset=utf-8",
        "/1/volumes/1/0": "application/json",
        "/1/volumes/1/0/0": "application/gzip",
    }
    for path, kind in types.items():
        status, headers, body = ask(live, path)
        assert (status, headers["Content-Type"]) == (200, kind)
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Content-Security-Policy" in headers
        assert ask(live, path, "HEAD")[1]["Content-Length"] == str(len(body))
    page = ask(live, "/1/")[2].decode()
    assert "connect-src &#39;self&#39; data: blob:" in page
    # Only this machine's names are answered, and only questions.
    for host in ("evil.example", f"evil.example:{live.server_port}", "127.0.0.1", "127.0.0.1:1", ""):
        assert ask(live, "/1/", host=host or " ")[0] == 421
    assert ask(live, "/1/", host=f"localhost:{live.server_port}")[0] == 200
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert ask(live, "/1/", method)[0] == 501
    assert live.server_address[0] == "127.0.0.1"


def test_several_folders_and_text_of_theirs_that_stays_text(browser: Browser, results: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for path in results.iterdir():
        (other / path.name).symlink_to(path)
    with served(results, other) as server:
        # Links are refused, in one line that names the first.
        status, _, body = ask(server, "/2/")
        assert status == 500 and b"is a link" in body and body.count(b"\n") == 0
    display = json.loads((results / "report/display.json").read_text())
    display["title"] = display["methods"]["l2"]["label"] = display["sets"]["test"]["label"] = EVIL
    display["methods"]["tkd"] |= {"summary": EVIL, "option_notes": {"threshold": EVIL}}
    (results / "report/display.json").write_text(json.dumps(display))
    with served(results, results) as server:
        window = Opened(browser, server.url)
        page = window.page
        assert page.locator("li a").all_inner_texts() == [EVIL, EVIL]
        page.click("li a >> nth=1")
        window.start_plot()
        window.start_viewer()
        assert page.inner_text("h1") == EVIL
        assert page.evaluate("window.evil") is None
        page.close()
        assert window.complaints == []


def test_the_page_follows_the_folder(results: Path) -> None:
    with served(results) as server:
        assert b"Another title" not in ask(server, "/1/")[2]
        display = json.loads((results / "report/display.json").read_text()) | {"title": "Another title"}
        (results / "report/display.json").write_text(json.dumps(display))
        assert b"Another title" in ask(server, "/1/")[2]
        (results / "scores.parquet").write_text("nonsense")
        status, headers, body = ask(server, "/1/")
        assert (status, headers["Content-Type"]) == (500, "text/plain; charset=utf-8")
        assert b"cannot be read as a Parquet file" in body
        assert len(server.told) == 1  # type: ignore[attr-defined]


def test_the_command_says_where_it_is_and_ends_by_key(results: Path) -> None:
    # Where the tests themselves run in the background, SIGINT is ignored, and a child would inherit that.
    start = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler); {START}"
    command = [sys.executable, "-c", start, "serve", str(results), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        port = int(re.fullmatch(r"http://127\.0\.0\.1:(\d+)/ \(Ctrl-C ends\)\n", line).group(1))  # type: ignore[union-attr]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/1/")
        assert connection.getresponse().status == 200
        connection.close()
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(20) == 0
        finally:
            process.kill()
        assert process.stderr.read().splitlines()[-1] == "ended"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [(["missing"], "is not a folder"), ([".", "--port", "70000"], "70000 is no port"), (["."], "no display file")],
)
def test_bad_input_is_one_line(tmp_path: Path, monkeypatch, capsys, arguments: list[str], text: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["serve", *(["--port", "0"] if "--port" not in arguments else []), *arguments]) == 2
    assert text in capsys.readouterr().err.splitlines()[-1]
