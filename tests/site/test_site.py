"""The documentation site: built without a warning, with every page that follows from code, and a search index."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import qsmbench
from qsmbench.cli.main import COMMANDS
from qsmbench.config.model import Config
from qsmbench.methods.registry import METHODS
from qsmbench.metrics.registry import METRICS
from qsmbench.networks.shipped import shipped

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, whose build ends with an error at a warning."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, str(ROOT / "tools/site/build.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    return folder / "html"


class Seen(HTMLParser):
    """Images and links of a page."""

    def __init__(self, page):
        super().__init__()
        self.images, self.loaded = [], []
        self.feed(page.read_text())

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "img":
            self.images.append(values)
        loads = tag in ("img", "script", "iframe") or (tag == "link" and values.get("rel") in ("stylesheet", "icon"))
        self.loaded += [values[key] for key in ("src", "href") if loads and values.get(key)]


def test_every_thing_of_the_code_has_its_place(site):
    commands = (site / "reference/commands/index.html").read_text()
    assert all(f"qsmbench {name}" in commands for name, _, _ in COMMANDS)
    python = (site / "reference/python/index.html").read_text()
    assert all(f".{name}</code>" in python or f">{name}</span>" in python for name in qsmbench.__all__)
    configuration = (site / "configuration/index.html").read_text()
    assert all(f"<code>{key}</code>" in configuration for key in Config.model_fields)
    metrics = (site / "reference/metrics/index.html").read_text()
    assert all(f"<code>{name}</code>" in metrics for name in METRICS.own)
    for name, entry in METHODS.own.items():
        page = (site / f"methods/{name}/index.html").read_text()
        assert all(f"<code>{option}</code>" in page for option in entry.options)
        assert entry.doi in page
    assert all("Limit" in (site / f"networks/{name}/index.html").read_text() for name in shipped())


def test_every_figure_has_a_text_and_nothing_comes_from_another_server(site):
    pages = sorted(site.rglob("index.html"))
    assert len(pages) > 50
    for page in pages:
        seen = Seen(page)
        for image in seen.images:
            assert len(image.get("alt") or "") > 10, (page, image)
        assert [url for url in seen.loaded if re.match(r"(https?:)?//", url)] == [], page


def test_search_finds_words_of_every_kind_of_page(site):
    index = json.loads((site / "search/search_index.json").read_text())
    found = {entry["location"].partition("#")[0] for entry in index["docs"]}
    assert {"glossary/", "tutorials/maps/", "methods/tkd/", "reference/commands/", "preparation/"} <= found


def test_the_landing_page_leads_to_the_four_tutorials(site):
    text = (site / "index.html").read_text()
    for path in ("maps", "own-method", "papers", "audit"):
        assert f'href="tutorials/{path}/"' in text


def test_a_link_that_leads_nowhere_is_an_error(tmp_path):
    page = tmp_path / "pages/index.md"
    page.parent.mkdir()
    page.write_text("# One\n\n[nowhere](none.md)\n")
    text = (ROOT / "tools/site/mkdocs.yml").read_text().partition("\nnav:")[0].replace("$ROOT", str(ROOT))
    (tmp_path / "mkdocs.yml").write_text(text)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", str(tmp_path / "mkdocs.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "none.md" in done.stderr
