"""A page of ours in headless Chromium, with everything that it complained about or asked for."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

# Software WebGL 2, so that the test needs no graphics card.
FLAGS = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium; the test is skipped where there is none, but for continuous integration."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None and not os.environ.get("CI"):
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


class Opened:
    """The page at an address, in a window."""

    def __init__(self, browser: Browser, url: str, width: str = "desktop", scheme: str = "light") -> None:
        size = WIDTHS[width]
        self.url = url
        self.page: Page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        self.complaints: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._request)
        self.page.goto(url)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _request(self, request: Request) -> None:
        host = "/".join(self.url.split("/")[:3])
        if not request.url.startswith(("data:", "blob:", "file:" if host == "file://" else f"{host}/")):
            self.complaints.append(f"request to {request.url}")

    def start_viewer(self) -> None:
        # A locator waits for its element: a page that was asked for by a click may not be there yet.
        self.page.locator("#viewer").evaluate("part => part.scrollIntoView()")
        self.page.wait_for_selector("#viewer-panel[data-state=ready]", timeout=60_000)

    def start_plot(self) -> None:
        self.page.locator("#plots").evaluate("part => part.scrollIntoView()")
        self.page.wait_for_selector("#plot[data-state=ready] svg", timeout=20_000)

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
