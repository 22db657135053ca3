"""The page in a real browser, from a file: no error, no request, tables that sort, a viewer that moves."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from opened_page import WIDTHS, Opened
from playwright.sync_api import Browser, Locator


@pytest.fixture(scope="module")
def report(stored_run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored_run.build(tmp_path_factory.mktemp("browser") / "out")


@pytest.fixture
def opened(browser: Browser, report: Path, request: pytest.FixtureRequest) -> Iterator[Opened]:
    window = Opened(browser, report.as_uri(), getattr(request, "param", "desktop"))
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
    opened.page.locator("#viewer-left-canvas").click(position={"x": box["width"] * 0.25, "y": box["height"] * 0.25})
    opened.changed("right", before)
    assert [opened.page.input_value(f"#viewer-{axis}") for axis in "xyz"] != places


def test_values_at_the_crosshair_are_the_stores(opened: Opened, stored_run) -> None:
    import numpy as np

    from qsmbench.report.slices import choose_planes

    subject = stored_run.volumes("synthetic/test").read(1)
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


def test_every_map_is_read_at_the_crosshair_at_once(opened: Opened, stored_run) -> None:
    opened.start_viewer()
    page = opened.page
    rows = {row[0]: row[1:] for row in readout(opened)}
    assert list(rows) == ["Reference", "TKD", "L2 & more", "Meta|QSM", "Local field"]
    assert rows["Meta|QSM"] == ["failed", ""]
    for name in ("TKD", "L2 & more"):
        own, reference, difference = (number(t) for t in (rows[name][0], rows["Reference"][0], rows[name][1]))
        assert abs(own - reference - difference) < 0.0011
    page.focus("#viewer-x")
    page.keyboard.press("ArrowLeft")
    assert {row[0]: row[1:] for row in readout(opened)} != rows


def readout(opened: Opened) -> list[list[str]]:
    opened.page.wait_for_selector("#viewer-readout[data-state=ready]")
    return [row.locator("th, td").all_inner_texts() for row in opened.page.locator("#viewer-readout tbody tr").all()]


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def test_windows_and_overlays(opened: Opened) -> None:
    opened.start_viewer()
    page, right = opened.page, opened.page.locator("#viewer-right-canvas")
    # What NiiVue draws with, which once was a window of its own making.
    assert windows(right) == [(-0.1, 0.1)]
    before = opened.canvas("right")
    page.select_option("#viewer-window", "0.2")
    before = opened.changed("right", before)
    assert windows(right) == [(-0.2, 0.2)]
    page.select_option("#viewer-overlay", "error")
    before = opened.changed("right", before)
    assert windows(right) == [(-0.2, 0.2), (0.03, 0.2)]
    assert windows(page.locator("#viewer-left-canvas")) == [(-0.2, 0.2)], "the reference has no error"
    page.select_option("#viewer-overlay", "mask")
    opened.changed("right", before)
    page.wait_for_function("document.getElementById('viewer-left-canvas').dataset.windows.includes(';')")


def windows(canvas: Locator) -> list[tuple[float, ...]]:
    text = canvas.get_attribute("data-windows") or ""
    return [tuple(round(float(end), 4) for end in part.split(" to ")) for part in text.split("; ")]


def test_sets_subjects_and_failed_maps_can_be_chosen(opened: Opened) -> None:
    opened.start_viewer()
    page = opened.page
    before = opened.canvas("left")
    # The subject of median error is the first, and the one where a method failed.
    assert page.locator("#viewer-left option[value=net]").is_disabled()
    assert page.locator("#viewer-left option[value=net]").text_content() == "Meta|QSM (failed)"
    page.select_option("#viewer-subject", label="00004: largest error")
    opened.changed("left", before)
    assert page.locator("#viewer-left option[value=net]").is_enabled()
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


def test_controls_of_the_viewer_have_names(opened: Opened) -> None:
    opened.start_viewer()
    for control in opened.page.locator("#viewer select, #viewer input").all():
        assert (control.locator("xpath=ancestor::label").text_content() or "").strip()
    for canvas in opened.page.locator("canvas").all():
        assert "subject 00001" in (canvas.get_attribute("aria-label") or "")
