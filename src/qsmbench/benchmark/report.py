"""The report of a run: labels and order from the configuration, then tables, figures and page."""

from __future__ import annotations

import json

from qsmbench.benchmark.run import Run
from qsmbench.data.atomic import write_text_atomic
from qsmbench.report.build import build_report
from qsmbench.report.display import Display, read_display


def write_report(of: Run) -> None:
    """Write `display.json` from the configuration, and the report."""
    from qsmbench.benchmark.display import display

    # Not sorted: the order of sets, methods and metrics is the order of the tables.
    write_text_atomic(of.layout.display, json.dumps(display(of), indent=2) + "\n")
    build_report(of.layout, read_display(of.layout.display), of.sets, of.layout.report)


def missing_maps(of: Run, shown: Display) -> list[str]:
    """A line a set whose volumes, or those of some methods, are gone: they have tables and no figures."""
    lines = []
    for name in shown.sets:
        there = name in of.sets and of.sets[name].folder.is_dir()
        missing = [run for run in _shown(of, shown, name) if not (there and of.layout.maps(name, run).is_dir())]
        if missing:
            lines.append(f"no volumes of {', '.join(missing)} on {name}: tables only")
    return lines


def _shown(of: Run, shown: Display, name: str) -> list[str]:
    """Methods that a set should have maps of."""
    return [run for run in shown.methods if name not in of.sets or run in of.methods_of(name)]
