import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qsmbench.core.errors import InputError
from qsmbench.report.build import build_report
from qsmbench.report.display import read_display

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Collects what the tests ask about and checks that tags nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def out(stored_run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One report that the tests below only read."""
    out = tmp_path_factory.mktemp("report") / "out"
    assert stored_run.build(out) == out / "index.html"
    return out


@pytest.fixture(scope="module")
def page(out: Path) -> Page:
    return Page((out / "index.html").read_text(encoding="utf-8"))


def test_report_is_complete(out: Path) -> None:
    figures = {path.name for path in (out / "figures").iterdir()}
    assert figures == {
        "synthetic-test-00001.png", "synthetic-test-00004.png", "synthetic-test-distribution.png",
        "synthetic-test-00001-zoom.png", "synthetic-test-00004-zoom.png", "one-00000-zoom.png",
        "synthetic-test-spectrum.png", "one-00000.png", "one-spectrum.png", "training-net.png",
        *(f"tile-synthetic-test-{name}.png" for name in ("reference", "tkd", "l2")),
        *(f"tile-one-{name}.png" for name in ("reference", "tkd", "l2", "net")),
    }  # fmt: skip
    assert (out / "tables" / "all.csv").is_file()
    # The libraries alone have 2.8 MB.
    assert (out / "index.html").stat().st_size < 4.5e6


def test_report_is_the_same_twice(out: Path, run, tmp_path: Path) -> None:
    scores = pd.read_parquet(run.layout.all_scores).sample(frac=1, random_state=5)
    scores.to_parquet(run.layout.all_scores)
    again = run.build(tmp_path / "again").parent
    files = sorted(p.relative_to(out) for p in out.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    for name in files:
        assert (out / name).read_bytes() == (again / name).read_bytes(), name


def test_nothing_is_loaded_from_elsewhere(page: Page) -> None:
    for tag, attrs in page.tags:
        for name in ("src", "href", "srcset", "data", "action"):
            value = attrs.get(name)
            if value is None:
                continue
            if tag == "a":
                assert value.startswith(("#", "https://doi.org/")), value
            else:
                assert value.startswith("data:"), (tag, value[:40])
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


def test_every_picture_has_an_alternative_text_and_its_size(page: Page) -> None:
    pictures = page.all("img")
    # Ten figures, three tiles on the first screen, five on cards.
    assert len(pictures) == 18
    for picture in pictures:
        assert len(picture["alt"] or "") > 40
        assert int(picture["width"] or 0) > 200
        assert int(picture["height"] or 0) > 100


def test_links_within_the_page_lead_somewhere(page: Page) -> None:
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for link in page.all("a"):
        if (link["href"] or "").startswith("#"):
            assert (link["href"] or "")[1:] in ids


def test_page_says_what_ran_what_failed_and_what_made_it(page: Page) -> None:
    text = " ".join(page.text.split())
    assert "18 reconstructions: 3 methods on Synthetic_test (n = 5), One head (n = 1). 1 failed." in text
    assert (
        "Synthetic_test: lowest RMSE by L2 & more, 32.0 ± 2.6 % (n = 5). Not ranked: Meta|QSM (failed on 1 of 5)."
        in text
    )
    assert "Meta|QSM on Synthetic_test, subject 00001: diverged at <step 3>" in text
    assert "threshold = 0.2" in text
    assert "blocks = 2, 3" in text
    assert "c0ffee" in text
    assert '"seed": 7' in text
    assert any("bad" in (attrs.get("class") or "") for attrs in page.all("span"))
    assert {"href": "https://doi.org/10.1002/mrm.22135"} in page.all("a")


def test_text_is_escaped(out: Path) -> None:
    html = (out / "index.html").read_text(encoding="utf-8")
    # The configuration of this run holds "</script>": no element may end early.
    parser = Page(html)
    scripts = parser.all("script")
    assert html.count("</script>") == len(scripts)
    # Five scripts of ours run; all else that stands in a script element is data or a library that waits.
    assert sum("type" not in attrs for attrs in scripts) == 5
    assert "<title>A benchmark &lt;of 3 &amp; more&gt;</title>" in html


def test_headings_of_tables_have_scopes_and_sort_buttons(page: Page) -> None:
    assert all(attrs.get("scope") in ("col", "row") for attrs in page.all("th"))
    assert sum(attrs.get("class") == "sort" for attrs in page.all("button")) >= 10


def test_a_report_of_nothing_but_failures(run, tmp_path: Path) -> None:
    scores = pd.read_parquet(run.layout.all_scores).assign(status="failed", value=np.nan, message=None)
    scores.to_parquet(run.layout.all_scores)
    page = build_report(run.layout, run.display, {}, tmp_path / "out")
    text = Page(page.read_text(encoding="utf-8")).text
    assert "18 failed." in text
    assert "no message" in text


def test_a_set_without_volumes_or_scores(run, tmp_path: Path) -> None:
    scores = pd.read_parquet(run.layout.all_scores)
    scores[scores["set"] == "one"].to_parquet(run.layout.all_scores)
    out = build_report(run.layout, run.display, {}, tmp_path / "out")
    text = Page(out.read_text(encoding="utf-8")).text
    assert "No scores." in text
    assert not (tmp_path / "out" / "tables" / "synthetic-test.csv").exists()
    assert [p.name for p in (tmp_path / "out" / "figures").iterdir()] == ["training-net.png"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda d: d.pop("methods"), "key methods"),
        (lambda d: d.update(mehtods={}), "key mehtods"),
        (lambda d: d["metrics"]["rmse"].update(better="up"), "key metrics.rmse.better"),
        (lambda d: d.update(baseline="medi"), "baseline 'medi'"),
        (lambda d: d.update(sets={}), "lists no sets"),
    ],
)
def test_a_bad_display_file_is_refused(run, change, match: str) -> None:
    display = json.loads(run.layout.display.read_text())
    change(display)
    run.layout.display.write_text(json.dumps(display))
    with pytest.raises(InputError, match=match):
        read_display(run.layout.display)


@pytest.mark.parametrize("name", ["all_scores", "display"])
def test_missing_and_broken_files_are_refused(run, tmp_path: Path, name: str) -> None:
    path: Path = getattr(run.layout, name)
    path.write_text("{")
    with pytest.raises(InputError, match=r"cannot be read as (JSON|a Parquet file)"):
        run.build(tmp_path / "out")
    path.unlink()
    with pytest.raises(InputError, match="run the evaluation first"):
        run.build(tmp_path / "out")


def test_no_torch_is_imported() -> None:
    code = "import sys, qsmbench.report; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
