"""Tables and plots of one's own choice, contents, colours and accessibility, driven in a real browser from a file."""

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from opened_page import WIDTHS, Opened
from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def report(stored_run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored_run.build(tmp_path_factory.mktemp("explorer") / "out")


@pytest.fixture
def opened(browser: Browser, report: Path, request: pytest.FixtureRequest) -> Iterator[Opened]:
    window = Opened(browser, report.as_uri(), *getattr(request, "param", ()))
    yield window
    window.page.close()
    assert window.complaints == []


def rows(opened: Opened) -> list[list[str]]:
    return [row.locator("th, td").all_inner_texts() for row in opened.page.locator("#explorer-table tbody tr").all()]


def headings(opened: Opened) -> list[str]:
    return opened.page.locator("#explorer-table thead th").all_inner_texts()


def test_choosing_sets_metrics_statistics_and_methods(opened: Opened) -> None:
    page = opened.page
    assert headings(opened) == ["Method", "n", "RMSE (%)\u00a0↓", "SSIM\u00a0↑", "Coverage"]
    assert [row[0] for row in rows(opened)] == ["TKD", "L2 & more", "Meta|QSM"]
    assert rows(opened)[0][1:3] == ["5", "34.0 ± 3.2"]
    assert rows(opened)[2][1] == "4, 1 failed"
    page.select_option("#explorer-statistic", "median")
    assert rows(opened)[1][2] == "33.0"
    page.select_option("#explorer-set", label="all sets")
    assert headings(opened)[1] == "Set"
    assert len(rows(opened)) == 6
    page.fill("#explorer-find", "meta")
    assert [row[:2] for row in rows(opened)] == [["Meta|QSM", "Synthetic_test"], ["Meta|QSM", "One head"]]
    page.click("#explorer-columns summary")
    page.uncheck("#explorer-metrics [value=coverage]")
    assert "Coverage" not in headings(opened)
    page.fill("#explorer-find", "nothing like it")
    assert rows(opened) == []
    assert page.inner_text("#explorer-message").startswith("0 rows")


def test_sorting_by_heading_and_key(opened: Opened) -> None:
    heading = opened.page.locator("#explorer-table thead th").nth(2)
    heading.get_by_role("button").click()
    assert [row[0] for row in rows(opened)] == ["Meta|QSM", "L2 & more", "TKD"]
    heading.get_by_role("button").press("Enter")
    assert [row[0] for row in rows(opened)] == ["TKD", "L2 & more", "Meta|QSM"]


@pytest.mark.parametrize("opened", [("desktop",), ("phone", "dark")], indirect=True, ids=["desktop", "phone"])
def test_dots_have_values_under_pointer_and_keys(opened: Opened) -> None:
    opened.start_plot()
    page = opened.page
    assert page.locator("#plot circle").count() == 14
    assert page.inner_text("#plot-reading").startswith("14 dots")
    page.locator("#plot circle").first.hover(force=True)
    page.wait_for_function("document.getElementById('plot-reading').textContent.includes('subject')")
    page.focus("#plot")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#plot-reading") == "TKD, Synthetic_test, subject 00000: RMSE 30.0 %"
    page.keyboard.press("ArrowRight")
    assert "subject 00001: RMSE 32.0 %" in page.inner_text("#plot-reading")
    # Against another metric, filtered by the table above, where the one undefined score has no dot.
    page.select_option("#plot-x", "m:ssim")
    page.fill("#explorer-find", "l2")
    assert page.locator("#plot circle").count() == 4
    page.focus("#plot")
    page.keyboard.press("ArrowDown")
    assert page.inner_text("#plot-reading") == "L2 & more, Synthetic_test, subject 00000: RMSE 28.0 %, SSIM 0.900"


def test_contents_stay_and_tell_where_one_is(opened: Opened) -> None:
    page = opened.page
    page.click("#contents a[href='#methods']")
    assert page.locator("#contents").bounding_box()["y"] < 5  # type: ignore[index]
    page.wait_for_selector("#contents a[href='#methods'][aria-current]")
    page.fill("#cards-find", "blocks")
    assert page.locator(".card:visible h3").all_inner_texts() == ["Meta|QSM"]
    assert page.inner_text("#cards-count") == "1 of 3 methods"


@pytest.mark.parametrize("opened", [("phone",)], indirect=True)
def test_contents_open_on_a_phone_and_close_by_key(opened: Opened) -> None:
    page = opened.page
    assert not page.is_visible("#contents-list")
    page.click("#contents-open")
    assert page.is_visible("#contents-list")
    assert page.get_attribute("#contents-open", "aria-expanded") == "true"
    page.keyboard.press("Escape")
    assert not page.is_visible("#contents-list")
    # The method's name stays where the scores scroll sideways.
    scroll = page.locator("#set-1 .scroll").first
    scroll.evaluate("e => { e.scrollLeft = 80; }")
    left = scroll.bounding_box()["x"]  # type: ignore[index]
    assert abs(scroll.locator("tbody th").first.bounding_box()["x"] - left) < 2  # type: ignore[index]


def test_dark_by_button_is_remembered_and_light_on_paper(opened: Opened) -> None:
    page = opened.page
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    page.click("#theme")
    assert page.evaluate(ground) == "rgb(20, 24, 29)"
    page.reload()
    assert page.evaluate(ground) == "rgb(20, 24, 29)"
    page.emulate_media(media="print")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"


@pytest.mark.parametrize("opened", [(width, scheme) for width in WIDTHS for scheme in ("light", "dark")], indirect=True)
def test_axe_finds_nothing_serious(opened: Opened) -> None:
    opened.start_plot()
    opened.start_viewer()
    found = Axe().run(opened.page, options={"resultTypes": ["violations"]}).response["violations"]
    serious = [
        (v["id"], [n["html"][:120] for n in v["nodes"]][:3]) for v in found if v["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_a_script_that_is_not_ours_does_not_run(browser: Browser, report: Path, tmp_path: Path) -> None:
    """Were text of a folder to become a script by a mistake of ours, the policy would stop it."""
    page = tmp_path / "index.html"
    html = report.read_text(encoding="utf-8")
    page.write_text(html.replace("</main>", "<script>window.evil = 1</script><img src=x onerror='evil = 2'></main>"))
    window = Opened(browser, page.as_uri())
    assert window.page.evaluate("window.evil") is None
    assert any("Content Security Policy" in text for text in window.complaints)
    window.page.close()


def test_scans_are_told_by_the_field_that_methods_were_given(run, browser: Browser, tmp_path: Path) -> None:
    display = json.loads(run.layout.display.read_text())
    display["config"]["acquisitions"] = {
        "one": {"kind": "isolated", "of": "scans"},
        "synthetic/test": {"kind": "simulated"},
    }
    run.layout.display.write_text(json.dumps(display))
    opened = Opened(browser, run.build(tmp_path / "out").as_uri())
    page = opened.page
    assert len(rows(opened)) == 3, "the first set alone"
    page.select_option("#explorer-stage", label="true (isolated)")
    assert [row[1] for row in rows(opened)] == ["One head"] * 3
    page.select_option("#explorer-stage", label="prepared (composed)")
    assert [row[1] for row in rows(opened)] == ["Synthetic_test"] * 3
    page.select_option("#explorer-stage", label="all")
    assert {row[1] for row in rows(opened)} == {"Synthetic_test", "One head"}
    assert opened.complaints == []
    page.close()


def test_regions_are_chosen_one_by_one_or_all_at_once(run, browser: Browser, tmp_path: Path) -> None:
    scores = pd.read_parquet(run.layout.all_scores)
    inner = scores[scores["metric"] == "rmse"].assign(region="deep-grey", value=lambda rows: rows["value"] / 2)
    pd.concat([scores, inner], ignore_index=True).to_parquet(run.layout.all_scores)
    opened = Opened(browser, run.build(tmp_path / "out").as_uri())
    page = opened.page
    assert "Region" not in headings(opened)
    page.select_option("#explorer-region", label="deep-grey")
    assert rows(opened)[0][:3] == ["TKD", "5", "17.0 ± 1.6"]
    page.select_option("#explorer-region", label="all regions")
    assert headings(opened)[:4] == ["Method", "Region", "n", "RMSE (%)\u00a0↓"]
    assert [row[:4] for row in rows(opened)[:2]] == [
        ["TKD", "whole mask", "5", "34.0 ± 3.2"],
        ["TKD", "deep-grey", "5", "17.0 ± 1.6"],
    ]
    assert rows(opened)[1][4] == "–", "a metric without a value there"
    assert opened.complaints == []
    page.close()
