"""From stored scores and volumes to `index.html`, `tables/` and `figures/`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from qsmbench.data.atomic import atomic_path, write_text_atomic
from qsmbench.data.layout import RunLayout
from qsmbench.report.caveats import write_notes
from qsmbench.report.content import gather
from qsmbench.report.costs import write_costs
from qsmbench.report.display import Display
from qsmbench.report.page import render_page
from qsmbench.report.viewer import build_viewer
from qsmbench.sets.contract import ScanSet


def build_report(layout: RunLayout, display: Display, sets: Mapping[str, ScanSet], out_dir: Path) -> Path:
    """Make the report of a results folder, as far as its files are there.

    Args:
        layout: of the folder; its scores must be there.
        display: what is shown, and how it is called.
        sets: the sets of the run.
        out_dir: made where it is not there.

    Returns:
        Path of `index.html`; beside it `tables/`, `figures/`, `methods.bib`, `notes.csv`, and `runtime.csv` where
        there are timings.

    Raises:
        InputError: see `qsmbench.report.content.gather`.
    """
    content = gather(layout, display, sets)
    for name, text in content.tables.items():
        write_text_atomic(out_dir / "tables" / name, text)
    for picture in content.pictures:
        with atomic_path(out_dir / "figures" / f"{picture.name}.png") as temporary:
            temporary.write_bytes(picture.png)
    if content.spent:
        write_costs(content.spent, content.display, out_dir)
    write_notes(content.said, out_dir)
    write_text_atomic(out_dir / "methods.bib", content.bibliography)
    page = out_dir / "index.html"
    viewer = build_viewer(content.opened, content.display, display.viewer_megabytes, content.choices)
    write_text_atomic(page, render_page(content, viewer))
    return page
