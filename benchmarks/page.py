"""How long a report's page takes to open in headless Chromium, to the end of loading: median and largest.

    python benchmarks/page.py results/report/index.html [MORE...]

Volumes and libraries wait as text until they are looked at, so this is the time until the first screen can be read.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

GOAL = 2.0  # seconds


def main() -> int:
    """Open each page some times; print a table; return 1 where a median is above the goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=Path, nargs="+", metavar="PAGE")
    parser.add_argument("--windows", type=int, default=7, help="openings a page (default: %(default)s)")
    arguments = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        parser.error("no Chromium on this machine (Debian: apt-get install chromium)")
    print("| page | MB | median s | largest s |\n|---|---|---|---|")
    slow = False
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        for page in arguments.pages:
            seconds = [opened(browser, page.resolve().as_uri()) for _ in range(arguments.windows)]
            slow |= statistics.median(seconds) > GOAL
            size = page.stat().st_size / 1e6
            print(f"| {page} | {size:.1f} | {statistics.median(seconds):.2f} | {max(seconds):.2f} |", flush=True)
        browser.close()
    return int(slow)


def opened(browser: Browser, url: str) -> float:
    """Seconds from asking for the page to its load event, in a window of its own."""
    window = browser.new_page(viewport={"width": 1400, "height": 900})
    start = time.perf_counter()
    window.goto(url)
    seconds = time.perf_counter() - start
    window.close()
    return seconds


if __name__ == "__main__":
    raise SystemExit(main())
