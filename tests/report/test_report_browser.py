"""The page in a real browser, from a file: no error, no request, tables that sort, a viewer that moves."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

# Software WebGL 2, so that the test needs no graphics card.
FLAGS = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None and not os.environ.get("CI"):
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(stored_run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored_run.build(tmp_path_factory.mktemp("browser") / "out")


class Opened:
    """The page in a window, and everything it complained about or asked for."""

    def __init__(self, browser: Browser, path: Path, width: str) -> None:
        size = WIDTHS[width]
        self.page: Page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        self.complaints: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._request)
        self.page.goto(path.as_uri())

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _request(self, request: Request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.complaints.append(f"request to {request.url}")

    def start_viewer(self) -> None:
        self.page.locator("#viewer-panel").scroll_into_view_if_needed()
        self.page.wait_for_selector("#viewer-panel[data-state=ready]", timeout=60_000)

    def canvas(self, side: str) -> bytes:
        return self.page.locator(f"#viewer-{side}-canvas").screenshot()

    def changed(self, side: str, before: bytes) -> bytes:
        """The canvas once it differs from ``before``."""
        for _ in range(50):
            now = self.canvas(side)
            if now != before:
                return now
            self.page.wait_for_timeout(100)
        raise AssertionError(f"the {side} view did not change")


@pytest.fixture
def opened(browser: Browser, report: Path, request: pytest.FixtureRequest) -> Iterator[Opened]:
    window = Opened(browser, report, getattr(request, "param", "desktop"))
    yield window
    window.page.close()
    assert window.complaints == []


@pytest.mark.parametrize("opened", WIDTHS, indirect=True)
def test_the_viewer_shows_two_linked_volumes_that_move(opened: Opened) -> None:
    opened.start_viewer()
    page = opened.page
    assert page.input_value("#viewer-left") == "reference"
    assert page.input_value("#viewer-right") == "tkd"
    before = {side: opened.canvas(side) for side in ("left", "right")}
    # A blank canvas compresses to next to nothing.
    assert len(before["left"]) > 3000
    assert before["left"] != before["right"]

    page.focus("#viewer-z")
    page.keyboard.press("ArrowRight")
    moved = {side: opened.changed(side, before[side]) for side in before}

    height = int(page.input_value("#viewer-z"))
    page.focus("#viewer-right-canvas")
    page.keyboard.press("PageUp")
    opened.changed("left", moved["left"])
    assert int(page.input_value("#viewer-z")) == height + 1
    assert "ppm at the crosshair" in page.inner_text("#viewer-right-value")


def test_the_viewer_follows_a_click(opened: Opened) -> None:
    opened.start_viewer()
    before, places = opened.canvas("right"), [opened.page.input_value(f"#viewer-{axis}") for axis in "xyz"]
    box = opened.page.locator("#viewer-left-canvas").bounding_box()
    assert box is not None
    opened.page.locator("#viewer-left-canvas").click(position={"x": box["width"] * 0.1, "y": box["height"] * 0.55})
    opened.changed("right", before)
    assert [opened.page.input_value(f"#viewer-{axis}") for axis in "xyz"] != places


def test_values_at_the_crosshair_are_the_stores(opened: Opened, stored_run) -> None:
    import numpy as np

    from qsmbench.report.slices import choose_planes

    subject = stored_run.volumes("synthetic/test").read(0)
    opened.start_viewer()
    page = opened.page
    start = [s.start for s in choose_planes(subject).box]
    place = tuple(int(page.input_value(f"#viewer-{axis}")) + first for axis, first in zip("xyz", start, strict=True))
    estimate, reference = subject.estimates["tkd"], subject.chi_ref
    assert estimate is not None and reference is not None
    shown = page.inner_text("#viewer-right-value").split(" ppm")[0].replace("−", "-")
    assert abs(float(shown) - estimate[place]) <= 0.0011
    page.check("#viewer-right-error")
    page.wait_for_timeout(500)
    difference = page.inner_text("#viewer-right-value").split(" ppm")[0].replace("−", "-")
    assert abs(float(difference) - (estimate - reference)[place]) <= 0.0016
    assert np.isfinite(estimate[place])


def test_sets_subjects_and_failed_maps_can_be_chosen(opened: Opened) -> None:
    opened.start_viewer()
    page = opened.page
    before = opened.canvas("left")
    page.select_option("#viewer-subject", "1")
    opened.changed("left", before)
    assert page.locator("#viewer-left option[value=net]").is_disabled()
    assert page.locator("#viewer-left option[value=net]").text_content() == "Meta|QSM (failed)"
    page.select_option("#viewer-set", label="One head")
    # The other set knows the patient's axes.
    page.wait_for_selector("text=Left to right")
    assert page.locator("#viewer-left option[value=net]").is_enabled()


def test_tables_sort_both_ways(opened: Opened) -> None:
    table = opened.page.locator("#set-1 table").first
    heading = table.locator("thead th").nth(3)
    button = heading.get_by_role("button")
    names = table.locator("tbody th")
    button.click()
    assert names.all_inner_texts() == ["Meta|QSM", "L2 & more", "TKD"]
    assert heading.get_attribute("aria-sort") == "ascending"
    # And with the keyboard.
    button.press("Enter")
    assert names.all_inner_texts() == ["TKD", "L2 & more", "Meta|QSM"]
    assert heading.get_attribute("aria-sort") == "descending"


@pytest.mark.parametrize("opened", WIDTHS, indirect=True)
def test_nothing_is_wider_than_the_window(opened: Opened) -> None:
    assert opened.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_paper_gets_the_tables_and_not_the_controls(opened: Opened) -> None:
    opened.page.emulate_media(media="print")
    assert opened.page.locator("#viewer-panel").is_hidden()
    assert opened.page.locator("nav").is_hidden()
    assert opened.page.locator("#set-1 table").first.is_visible()


def test_controls_have_names_and_text_has_contrast(opened: Opened) -> None:
    """Every control has a name, and text on white reaches 4.5 to 1 (WCAG 2.1, criterion 1.4.3)."""
    opened.start_viewer()
    for control in opened.page.locator("#viewer select, #viewer input").all():
        assert (control.locator("xpath=ancestor::label").text_content() or "").strip()
    for canvas in opened.page.locator("canvas").all():
        assert "subject 0" in (canvas.get_attribute("aria-label") or "")
    for selector in (".note", ".bad", "a", "figcaption", ".value"):
        colour = opened.page.locator(selector).first.evaluate("e => getComputedStyle(e).color")
        assert contrast_with_white(colour) >= 4.5, selector


def contrast_with_white(colour: str) -> float:
    """Contrast ratio of "rgb(r, g, b)" against white.

    >>> round(contrast_with_white("rgb(0, 0, 0)"))
    21
    """
    parts = [int(c) / 255 for c in colour.removeprefix("rgb(").rstrip(")").split(",")]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return 1.05 / (luminance + 0.05)
