import hashlib
import logging
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest

from qsmbench.core.errors import InputError
from qsmbench.data import download as module
from qsmbench.data.download import download

CONTENT = np.random.default_rng(1).bytes(1_000_003)
HASH = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "new" / "file.bin"


def fetch(site, target, **options):
    return download(site.url(), target, wait=0.001, timeout=5, **options)


def one_line(error: pytest.ExceptionInfo[InputError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def assert_whole(target: Path) -> None:
    assert target.read_bytes() == CONTENT
    assert sorted(p.name for p in target.parent.iterdir()) == ["file.bin", "file.bin.sha256"]


def test_fetches_and_leaves_a_record_that_sha256sum_accepts(site, target):
    site.content = CONTENT
    assert fetch(site, target, size=len(CONTENT), sha256=HASH.upper()) == HASH
    assert_whole(target)
    subprocess.run(
        ["sha256sum", "--check", "--strict", "file.bin.sha256"], cwd=target.parent, check=True, capture_output=True
    )


def test_a_file_that_is_there_is_not_fetched_again(site, target):
    site.content = CONTENT
    fetch(site, target)
    assert fetch(site, target) == HASH
    assert fetch(site, target, size=len(CONTENT), sha256=HASH) == HASH
    assert len(site.seen) == 1


def test_a_file_that_no_longer_fits_its_record_is_fetched_again(site, target):
    site.content = CONTENT
    fetch(site, target)
    target.write_bytes(b"x" * len(CONTENT))
    assert fetch(site, target) == HASH
    assert len(site.seen) == 2
    assert_whole(target)


def test_a_file_put_there_by_hand_is_kept_where_size_or_hash_vouch_for_it(site, tmp_path):
    by_size, by_hash, unknown = (tmp_path / name for name in ("a", "b", "c"))
    for path in (by_size, by_hash, unknown):
        path.write_bytes(CONTENT)
    site.content = CONTENT
    assert fetch(site, by_size, size=len(CONTENT)) == HASH
    assert fetch(site, by_hash, sha256=HASH) == HASH
    assert site.seen == []
    assert (tmp_path / "a.sha256").read_text() == f"{HASH}  a\n"
    fetch(site, unknown)
    assert len(site.seen) == 1


def test_a_dropped_connection_is_taken_up_where_it_broke(site, target):
    site.content, site.drops = CONTENT, [300_000, 200_000]
    assert fetch(site, target) == HASH
    assert site.seen == [(None, 200), ("bytes=300000-", 206), ("bytes=500000-", 206)]
    assert_whole(target)


def test_more_drops_than_attempts_are_fine_while_each_brings_something(site, target):
    site.content, site.drops = CONTENT, [90_000] * 9
    assert fetch(site, target, attempts=2) == HASH
    assert_whole(target)


def test_a_later_call_goes_on_from_the_part_an_earlier_one_left(site, target):
    site.content, site.drops = CONTENT, [400_000, 0, 0]
    with pytest.raises(InputError) as error:
        fetch(site, target, attempts=2)
    assert "broke off after 400000 of 1000003 bytes" in one_line(error)
    assert not target.exists()
    site.seen.clear(), site.drops.clear()
    assert fetch(site, target) == HASH
    assert site.seen == [("bytes=400000-", 206)]
    assert_whole(target)


def test_a_server_that_ignores_range_starts_over(site, target):
    site.content, site.ranges, site.drops = CONTENT, False, [600_000]
    assert fetch(site, target) == HASH
    assert site.seen == [(None, 200), ("bytes=600000-", 200)]
    assert_whole(target)


def test_a_server_that_ignores_range_and_always_drops_is_given_up(site, target):
    site.content, site.ranges, site.drops = CONTENT, False, [600_000] * 10
    with pytest.raises(InputError, match="3 times in a row"):
        fetch(site, target, attempts=3)
    assert len(site.seen) == 3


def test_a_new_version_on_the_server_is_not_glued_to_the_old_part(site, target):
    site.content, site.drops = b"old" * 300_000, [500_000, 0]
    with pytest.raises(InputError):
        fetch(site, target, attempts=1)
    site.content, site.etag, site.drops = CONTENT, '"v2"', []
    assert fetch(site, target) == HASH
    assert site.seen[-1] == ("bytes=500000-", 200)


def test_a_part_of_another_address_is_thrown_away(site, target):
    site.content, site.drops = b"other" * 100_000, [200_000]
    with pytest.raises(InputError):
        download(site.url("other.bin"), target, attempts=1)
    site.content, site.drops = CONTENT, []
    assert fetch(site, target) == HASH
    assert site.seen[-1] == (None, 200)


@pytest.mark.parametrize("known_size", [True, False])
def test_a_complete_part_needs_no_more_bytes(site, target, known_size):
    site.content = CONTENT
    target.parent.mkdir()
    target.with_name("file.bin.part").write_bytes(CONTENT)
    assert fetch(site, target, size=len(CONTENT) if known_size else None) == HASH
    assert site.seen == ([] if known_size else [(f"bytes={len(CONTENT)}-", 416)])
    assert_whole(target)


@pytest.mark.parametrize("known_size", [True, False])
def test_a_part_that_is_too_long_is_thrown_away(site, target, known_size):
    site.content = CONTENT
    target.parent.mkdir()
    target.with_name("file.bin.part").write_bytes(CONTENT + b"more")
    assert fetch(site, target, size=len(CONTENT) if known_size else None) == HASH
    assert_whole(target)


def test_a_wrong_part_is_found_by_the_hash_and_fetched_afresh(site, target):
    site.content = CONTENT
    target.parent.mkdir()
    target.with_name("file.bin.part").write_bytes(b"wrong")
    assert fetch(site, target, sha256=HASH) == HASH
    assert site.seen == [("bytes=5-", 206), (None, 200)]
    assert_whole(target)


def test_a_server_that_answers_with_another_range_is_not_believed(site, target):
    site.content, site.drops, site.wrong_start = CONTENT, [1000], True
    assert fetch(site, target) == HASH
    assert site.seen == [(None, 200), ("bytes=1000-", 206), (None, 200)]


def test_a_damaged_note_beside_the_part_means_starting_over(site, target):
    site.content = CONTENT
    target.parent.mkdir()
    target.with_name("file.bin.part").write_bytes(CONTENT[:100])
    target.with_name("file.bin.part.json").write_text("{")
    assert fetch(site, target) == HASH
    assert site.seen == [(None, 200)]


def test_a_busy_server_is_asked_again(site, target):
    site.content, site.statuses = CONTENT, [503, 429, 200]
    assert fetch(site, target) == HASH
    site.statuses = [500] * 4
    with pytest.raises(InputError, match="answered 500"):
        fetch(site, target.with_name("other"), attempts=4)


def test_a_length_that_is_not_announced_is_checked_in_the_end(site, target):
    site.content, site.length = CONTENT, False
    assert fetch(site, target, size=len(CONTENT)) == HASH
    with pytest.raises(InputError, match="gave 1000003 bytes where 7 were expected"):
        fetch(site, target.with_name("other"), size=7)


def test_a_missing_file_is_refused_at_once(site, target):
    site.statuses = [404, 404]
    with pytest.raises(InputError) as error:
        fetch(site, target)
    assert "404 Not Found" in one_line(error) and site.url() in str(error.value)
    assert len(site.seen) == 1
    assert not target.exists()


def test_another_size_is_refused_before_it_is_downloaded(site, target):
    site.content = CONTENT
    with pytest.raises(InputError) as error:
        fetch(site, target, size=5)
    assert "offers 1000003 bytes where 5 were expected" in one_line(error)
    assert list(target.parent.iterdir()) == []


def test_another_hash_is_refused_and_nothing_is_left(site, target):
    site.content = CONTENT
    with pytest.raises(InputError) as error:
        fetch(site, target, sha256="0" * 64)
    assert HASH in one_line(error)
    assert list(target.parent.iterdir()) == []


def test_a_port_where_nobody_listens_is_one_clear_line(target):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/file.bin"
        with pytest.raises(InputError) as error:
            download(url, target, attempts=2, wait=0.001)
    assert "cannot be reached (Connection refused)" in one_line(error)


def test_a_silent_server_is_given_up_after_the_timeout(target):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/file.bin"
        with pytest.raises(InputError, match="timed out"):
            download(url, target, attempts=1, timeout=0.1)


@pytest.mark.parametrize("url", ["ftp://example.org/a", "file:///etc/hostname", "a.zip"])
def test_only_http_is_fetched(url, target):
    with pytest.raises(InputError, match="only http and https"):
        download(url, target)


def test_a_folder_is_no_destination(site, tmp_path):
    with pytest.raises(InputError, match="it is a folder"):
        fetch(site, tmp_path)


def test_progress_is_log_lines_where_there_is_no_terminal(site, target, caplog, capsys):
    site.content = CONTENT
    with caplog.at_level(logging.INFO, logger=module.__name__):
        fetch(site, target, progress=True)
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "file.bin: starting at 0 of 1000003 bytes"
    assert lines[-1] == "file.bin: 1000003 of 1000003 bytes"
    assert capsys.readouterr().err == ""


def test_progress_is_a_bar_on_a_terminal(site, target, capsys, monkeypatch):
    site.content = CONTENT
    monkeypatch.setattr(module.sys.stderr, "isatty", lambda: True)
    fetch(site, target, progress=True)
    assert "100%" in capsys.readouterr().err
