"""From stored scores and volumes to `index.html`, `tables/` and `figures/`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from qsmbench.core.errors import InputError
from qsmbench.data.atomic import atomic_path, write_text_atomic
from qsmbench.report.bibliography import bibliography
from qsmbench.report.comparisons import compare
from qsmbench.report.conditions import Condition, condition_alt_text, condition_figure, voxel_size_conditions
from qsmbench.report.costs import cost_rows, write_costs
from qsmbench.report.curves import curve_alt_text, read_record, training_figure
from qsmbench.report.display import Display, read_display
from qsmbench.report.distributions import distribution_figure, shown_columns
from qsmbench.report.figures import alt_text, subject_figure
from qsmbench.report.formats import write_tables
from qsmbench.report.page import Picture, SetSection, render_page
from qsmbench.report.results import Results, costs, noise_levels, with_tuning
from qsmbench.report.scans import ScanVolumes, read_fields, scan_pictures
from qsmbench.report.scores import WHOLE_MASK, failures, read_scores
from qsmbench.report.slices import choose_planes
from qsmbench.report.spectrum import relative_spectrum, spectrum_alt_text, spectrum_figure
from qsmbench.report.statistics import summarise
from qsmbench.report.sweeps import find_sweeps, sweep_alt_text, sweep_figure
from qsmbench.report.tables import Table, build_table, file_stem, fixed, paper_table
from qsmbench.report.viewer import build_viewer
from qsmbench.report.volumes import SetVolumes, Subjects
from qsmbench.report.zoom import REACH, strongest_source


def build_report(
    scores_path: Path,
    display_path: Path,
    volumes: Mapping[str, tuple[Path, Mapping[str, Path]]],
    records: Mapping[str, Path],
    out_dir: Path,
    *,
    found: Results | None = None,
) -> Path:
    """Make the report.

    Args:
        scores_path: `scores.parquet`, see `qsmbench.report.scores`.
        display_path: `display.json`, see `qsmbench.report.display`.
        volumes: set to its Zarr store and, by method, the stores of the reconstructions. Sets may be left out: they
            have tables and no figures then.
        records: network to its `record.csv`.
        out_dir: made where it is not there.
        found: what else the run left: scans, timings, memory, what was drawn.

    Returns:
        Path of `index.html`; beside it `tables/`, `figures/`, `methods.bib`, and `runtime.csv` where there are timings.

    Raises:
        InputError: an input that is missing or not what it should be.
    """
    display = read_display(display_path)
    scores = read_scores(scores_path, display)
    unknown = sorted(set(volumes) - set(display.sets))
    if unknown:
        raise InputError(f"volumes are given for the set '{unknown[0]}', which {display_path} does not list")
    summary = summarise(scores, display)
    comparisons = compare(scores, display)
    write_tables(summary, display, out_dir / "tables", comparisons)

    found = found or Results()
    display = with_tuning(display, found)
    opened = {name: SetVolumes(*volumes[name]) for name in display.sets if name in volumes}
    subjects: dict[str, Subjects] = {
        name: opened[name] if name in opened else ScanVolumes(found.scans[name])
        for name in display.sets
        if name in opened or name in found.scans
    }
    sections = []
    for name in display.sets:
        table = build_table(summary, display, name, comparisons, "whole")
        regions = build_table(summary, display, name, comparisons, "regions")
        pictures: list[Picture] = []
        convention = ""
        spectrum = None
        if name in opened:
            spectrum = _spectrum(name, opened[name], display)
            pictures, convention = _subject_pictures(name, opened[name], scores, display)
        scans = found.scans.get(name)
        if scans is not None:
            texts = {scan.name: _first_scores(scores, display, name, scan.name) for scan in scans}
            pictures, convention = scan_pictures(name, scans[: display.n_samples_shown], texts, display)
        sections.append(
            SetSection(
                name,
                table,
                _distribution(name, scores, summary, table, display),
                tuple(pictures),
                convention,
                regions,
                spectrum,
                fields=read_fields(found.fields[name]) if name in found.fields else (),
                scored=scans is None or any(scan.chi_ref is not None for scan in scans),
            )
        )
    curves = []
    for network, path in records.items():
        record = read_record(path)
        label = display.methods[network].label if network in display.methods else network
        png = training_figure(record)
        curves.append(Picture(f"training-{file_stem(network)}", png, curve_alt_text(record, label), label))
    looks = [p for label, folder in found.inspections.items() for p in inspection_pictures(label, folder)]
    trends = _trends(scores, display, opened, found)
    for picture in (*(p for section in sections for p in section.all_pictures), *trends, *curves, *looks):
        with atomic_path(out_dir / "figures" / f"{picture.name}.png") as temporary:
            temporary.write_bytes(picture.png)
    spent = costs(found)
    if spent:
        write_costs(spent, display, out_dir)
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
        tables=[paper_table(summary, display, name, comparisons) for name in display.tables],
        trends=trends,
        costs=cost_rows(spent, display),
        bibliography=bibliography(display),
        viewer=build_viewer(subjects, display, display.viewer_megabytes),
    )
    write_text_atomic(page, html)
    return page


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


def _spectrum(name: str, data: SetVolumes, display: Display) -> Picture | None:
    """Error spectrum over the subjects that are shown, where there is a reference."""
    labels = {method: info.label for method, info in display.methods.items()}
    spectra: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    n = min(display.n_samples_shown, len(data))
    for index in range(n):
        subject = data.read(index)
        for method in labels:
            chi = subject.estimates.get(method)
            if chi is not None and subject.chi_ref is not None:
                spectra.setdefault(method, []).append(relative_spectrum(subject, chi, subject.b0_dir))
    if not spectra:
        return None
    return Picture(
        f"{file_stem(name)}-spectrum",
        spectrum_figure(spectra, labels),
        spectrum_alt_text(spectra, labels, display.sets[name].label),
        f"Where in k-space the error lies, over the first {n} subject{'s' if n > 1 else ''}: its power relative to the "
        "reference's by angle to B0. Streaks come from the cone at 54.7 degrees, where the dipole kernel is zero.",
    )


def _trends(scores: pd.DataFrame, display: Display, opened: Mapping[str, SetVolumes], found: Results) -> list[Picture]:
    """Error against voxel size and against noise, where samples differ in them."""
    metric = next((m for m in display.metrics if display.is_ranked(m)), None)
    if metric is None:
        return []
    sizes = {name: data.voxel_sizes() for name, data in opened.items()}
    noise = {name: levels for name, levels in noise_levels(found).items() if levels}
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


def _subject_pictures(name: str, data: SetVolumes, scores: pd.DataFrame, display: Display) -> tuple[list[Picture], str]:
    labels = {method: info.label for method, info in display.methods.items()}
    pictures = []
    convention = ""
    for index in range(min(display.n_samples_shown, len(data))):
        subject = data.read(index)
        convention = choose_planes(subject).convention()
        voxels = " × ".join(f"{size:.3g}" for size in subject.voxel_size)
        pictures.append(
            Picture(
                f"{file_stem(name)}-{file_stem(subject.name)}",
                subject_figure(subject, labels, _first_scores(scores, display, name, subject.name)),
                alt_text(subject, labels, display.sets[name].label),
                f"Subject {subject.name}, voxels of {voxels} mm",
            )
        )
        close = strongest_source(subject)
        if close is not None:
            pictures.append(
                Picture(
                    f"{file_stem(name)}-{file_stem(subject.name)}-zoom",
                    subject_figure(close, labels),
                    f"Zoom on the strongest source. {alt_text(close, labels, display.sets[name].label)}",
                    f"Subject {subject.name}: {2 * REACH:.0f} mm around the strongest source of the reference",
                )
            )
    return pictures, convention


def _first_scores(scores: pd.DataFrame, display: Display, set_name: str, subject: str) -> dict[str, str]:
    """The first metric's score of each method on one subject, as printed below the method's label."""
    metric, info = next(iter(display.metrics.items()))
    same = scores["subject"] == subject
    if subject.isdigit():
        # A store numbers its samples 0, 1, ...; scores may pad them with zeros.
        same |= scores["subject"].str.fullmatch(f"0*{int(subject)}")
    rows = scores[same & (scores["set"] == set_name) & (scores["metric"] == metric) & (scores["region"] == WHOLE_MASK)]
    unit = f" {info.unit}" if info.unit else ""
    return {
        str(row["method"]): f"{info.label} {fixed(row['value'], display.decimals(metric))}{unit}"
        for _, row in rows.iterrows()
        if math.isfinite(row["value"])
    }
