"""The verdict for a reviewer: one self-contained page, a JSON for programs, and the trace of every cell."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from markupsafe import Markup

from qsmbench.audit.audit import Verdict
from qsmbench.data.atomic import write_json_atomic, write_text_atomic
from qsmbench.report.plain_csv import csv_text
from qsmbench.report.template import template_environment

_KINDS = {
    "missing": "missing",
    "changed": "changed",
    "added": "added",
    "contradiction": "contradicts another file",
    "cell": "cell of a table",
    "recomputed": "comes out otherwise",
}


def write_verdict(verdict: Verdict, output: Path) -> None:
    """Write `audit.html`, `audit.json`, and `cells.csv`: the subjects behind every cell."""
    write_json_atomic(output / "audit.json", verdict.to_json())
    write_text_atomic(output / "cells.csv", csv_text(verdict.cells))
    write_text_atomic(output / "audit.html", render(verdict))


def render(verdict: Verdict) -> str:
    """Fill the template; it looks as the report does."""
    environment = template_environment("qsmbench.audit")
    style = (files("qsmbench.report") / "templates/page.css").read_text(encoding="utf-8")
    return environment.get_template("audit.html.jinja").render(
        verdict=verdict, kinds=_KINDS, style=Markup(style), n_cells=len(verdict.cells)
    )
