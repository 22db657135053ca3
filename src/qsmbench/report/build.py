"""From stored scores and volumes to `index.html`, `tables/` and `figures/`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from qsmbench.core.errors import InputError
from qsmbench.data.atomic import atomic_path, write_text_atomic
from qsmbench.data.layout import RunLayout
from qsmbench.report.bibliography import bibliography
from qsmbench.report.caveats import footnotes, read_said, write_notes
from qsmbench.report.comparisons import compare
from qsmbench.report.conditions import Condition, condition_alt_text, condition_figure, voxel_size_conditions
from qsmbench.report.costs import cost_rows, write_costs
from qsmbench.report.curves import curve_alt_text, read_record, training_figure
from qsmbench.report.display import Display
from qsmbench.report.distributions import distribution_figure, shown_columns
from qsmbench.report.formats import write_tables
from qsmbench.report.page import Picture, SetSection, render_page
from qsmbench.report.pictures import read_fields, scan_pictures
from qsmbench.report.results import costs, with_tuning
from qsmbench.report.scores import failures, read_scores
from qsmbench.report.statistics import summarise
from qsmbench.report.sweeps import find_sweeps, sweep_alt_text, sweep_figure
from qsmbench.report.tables import Table, build_table, file_stem, paper_table
from qsmbench.report.viewer import build_viewer
from qsmbench.report.volumes import SetVolumes
from qsmbench.sets.contract import ScanSet


def build_report(layout: RunLayout, display: Display, sets: Mapping[str, ScanSet], out_dir: Path) -> Path:
    """Make the report of a results folder, as far as its files are there.

    Args:
        layout: of the folder; its scores must be there.
        display: what is shown, and how it is called.
        sets: the sets of the run; one whose data are gone has tables and no figures, and so has a method on a set
            without its maps.
        out_dir: made where it is not there.

    Returns:
        Path of `index.html`; beside it `tables/`, `figures/`, `methods.bib`, `notes.csv`, and `runtime.csv` where
        there are timings.

    Raises:
        InputError: an input that is missing or not what it should be.
    """
    scores = read_scores(layout.all_scores, display)
    summary = summarise(scores, display)
    comparisons = compare(scores, display)
    write_tables(summary, display, out_dir / "tables", comparisons)

    display = with_tuning(display, layout)
    opened = {
        name: SetVolumes(scans, [run for run in display.methods if layout.maps(name, run).is_dir()])
        for name, scans in sets.items()
        if name in display.sets and scans.folder.is_dir()
    }
    said = read_said(layout, display)
    sections = []
    for name in display.sets:
        table = build_table(summary, display, name, comparisons, "whole")
        regions = build_table(summary, display, name, comparisons, "regions")
        pictures, convention, spectrum = (
            scan_pictures(name, opened[name], scores, display) if name in opened else ([], "", None)
        )
        fields = layout.field_errors(name)
        sections.append(
            SetSection(
                name,
                table,
                _distribution(name, scores, summary, table, display),
                tuple(pictures),
                convention,
                regions,
                spectrum,
                fields=read_fields(fields) if fields.is_file() else (),
                scored=name not in sets or sets[name].scored,
                footnotes=footnotes(said, [name], display.methods),
            )
        )
    curves = _curves(layout, display)
    looks = [
        picture
        for name, spec in display.config.get("synthetic", {}).items()
        if (folder := layout.inspection(name)[0].parent).is_dir()
        for picture in inspection_pictures(spec.get("label") or name, folder)
    ]
    trends = _trends(scores, display, {name: volumes.scans for name, volumes in opened.items()})
    for picture in (*(p for section in sections for p in section.all_pictures), *trends, *curves, *looks):
        with atomic_path(out_dir / "figures" / f"{picture.name}.png") as temporary:
            temporary.write_bytes(picture.png)
    spent = costs(layout, display)
    if spent:
        write_costs(spent, display, out_dir)
    write_notes(said, out_dir)
    write_text_atomic(out_dir / "methods.bib", bibliography(display))
    page = out_dir / "index.html"
    html = render_page(
        display,
        scores,
        sections=sections,
        curves=curves,
        comparisons=comparisons,
        failed=failures(scores),
        inspections=looks,
        tables=[
            (paper_table(summary, display, name, comparisons), footnotes(said, info.sets, display.methods))
            for name, info in display.tables.items()
        ],
        said=said,
        trends=trends,
        costs=cost_rows(spent, display),
        bibliography=bibliography(display),
        viewer=build_viewer(opened, display, display.viewer_megabytes),
    )
    write_text_atomic(page, html)
    return page


def _curves(layout: RunLayout, display: Display) -> list[Picture]:
    """The course of each training."""
    curves = []
    for network in display.config.get("networks", {}):
        path = layout.training_record(network)
        if path.is_file():
            record = read_record(path)
            label = display.methods[network].label if network in display.methods else network
            png = training_figure(record)
            curves.append(Picture(f"training-{file_stem(network)}", png, curve_alt_text(record, label), label))
    return curves


def inspection_pictures(label: str, folder: Path) -> list[Picture]:
    """The pictures that `qsmbench inspect` made of one synthetic set."""
    texts = {
        "contact-sheet": f"{label}: slices of chi and field of some samples",
        "parameters": f"{label}: what was drawn, over all samples; brown lines are the ends of the ranges",
    }
    pictures = []
    for name, text in texts.items():
        path = folder / f"{name}.png"
        if not path.is_file():
            raise InputError(f"{path} is missing; run 'qsmbench inspect' on the set")
        pictures.append(Picture(f"inspect-{file_stem(label)}-{name}", path.read_bytes(), text, text))
    return pictures


def _trends(scores: pd.DataFrame, display: Display, sets: Mapping[str, ScanSet]) -> list[Picture]:
    """Error against voxel size and against noise, where samples differ in them."""
    metric = next((m for m in display.metrics if display.is_ranked(m)), None)
    if metric is None:
        return []
    sizes = {name: found for name, scans in sets.items() if (found := scans.voxel_sizes())}
    noise = {name: levels for name, scans in sets.items() if (levels := scans.noise_levels())}
    kinds = {
        "voxel-size": [c for c in voxel_size_conditions(sizes, display.trained_range) if c.varies],
        "noise": [c for c in [Condition("noise of the field, SD (ppm)", noise, {})] if c.varies],
    }
    label = display.metrics[metric].label
    return [
        Picture(
            f"{metric}-against-{kind}",
            condition_figure(scores, display, metric, conditions),
            condition_alt_text(scores, display, metric, conditions),
            f"{label} against {kind.replace('-', ' ')}. Every subject a dot, a marker a set; lines join the means of "
            "bins.",
        )
        for kind, conditions in kinds.items()
        if conditions
    ] + _sweeps(scores, display, metric)


def _sweeps(scores: pd.DataFrame, display: Display, metric: str) -> list[Picture]:
    """Error against voxel size on the same heads, where sets take each other's draws."""
    sweeps = find_sweeps({n: s for n, s in display.config.get("synthetic", {}).items() if n in display.sets})
    if not sweeps:
        return []
    return [
        Picture(
            f"{metric}-voxel-size-sweeps",
            sweep_figure(scores, display, metric, sweeps),
            sweep_alt_text(scores, display, metric, sweeps),
            f"{display.metrics[metric].label} against voxel size on the same heads, with the same shapes and noise "
            "level. Below, the paired difference from the baseline with its 95 % interval (Student's t).",
        )
    ]


def _distribution(
    name: str, scores: pd.DataFrame, summary: pd.DataFrame, table: Table, display: Display
) -> Picture | None:
    """Dots of the single subjects, where there are several."""
    columns = shown_columns(table)
    if not columns or not any(cell.n > 1 for row in table.rows for cell in row.cells):
        return None
    metrics = ", ".join(column.label for column in columns)
    label = display.sets[name].label
    return Picture(
        f"{file_stem(name)}-distribution",
        distribution_figure(scores, summary, display, name, columns),
        f"{label}: {metrics} of every subject as dots, a row a method. The means are those of the table above.",
        "Every subject a dot; upright line: mean; bar: its 95 % bootstrap interval, from 6 subjects on.",
    )
