"""From stored scores and volumes to `index.html`, `tables/` and `figures/`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from qsmbench.core.errors import InputError
from qsmbench.data.atomic import atomic_path, write_text_atomic
from qsmbench.report.comparisons import compare
from qsmbench.report.curves import curve_alt_text, read_record, training_figure
from qsmbench.report.display import Display, read_display
from qsmbench.report.distributions import distribution_figure, shown_columns
from qsmbench.report.figures import alt_text, subject_figure
from qsmbench.report.formats import write_tables
from qsmbench.report.page import Picture, SetSection, render_page
from qsmbench.report.scans import ScanFiles, read_fields, scan_pictures
from qsmbench.report.scores import WHOLE_MASK, failures, read_scores
from qsmbench.report.slices import choose_planes
from qsmbench.report.statistics import summarise
from qsmbench.report.tables import Table, build_table, file_stem, fixed
from qsmbench.report.volumes import SetVolumes


def build_report(
    scores_path: Path,
    display_path: Path,
    volumes: Mapping[str, tuple[Path, Mapping[str, Path]]],
    records: Mapping[str, Path],
    out_dir: Path,
    *,
    scans: Mapping[str, Sequence[ScanFiles]] | None = None,
    fields: Mapping[str, Path] | None = None,
) -> Path:
    """Make the report.

    Args:
        scores_path: `scores.parquet`, see `qsmbench.report.scores`.
        display_path: `display.json`, see `qsmbench.report.display`.
        volumes: set to its Zarr store and, by method, the stores of the reconstructions. Sets may be left out: they
            have tables and no figures then.
        records: network to its `record.csv`.
        out_dir: made where it is not there.
        scans: set to its scans, for sets of files.
        fields: set to the table of its fields' errors, where there is a truth.

    Returns:
        Path of `index.html`; beside it `tables/` and `figures/`.

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

    sections = []
    for name in display.sets:
        table = build_table(summary, display, name, comparisons)
        pictures: list[Picture] = []
        convention = ""
        if name in volumes:
            pictures, convention = _subject_pictures(name, *volumes[name], scores, display)
        scanned = (scans or {}).get(name)
        if scanned is not None:
            texts = {scan.name: _first_scores(scores, display, name, scan.name) for scan in scanned}
            pictures, convention = scan_pictures(name, scanned[: display.n_samples_shown], texts, display)
        errors = read_fields(fields[name]) if fields and name in fields else ()
        spread = _distribution(name, scores, summary, table, display)
        scored = scanned is None or any(scan.chi_ref is not None for scan in scanned)
        sections.append(SetSection(name, table, spread, tuple(pictures), convention, errors, scored))
    curves = []
    for network, path in records.items():
        record = read_record(path)
        label = display.methods[network].label if network in display.methods else network
        png = training_figure(record)
        curves.append(Picture(f"training-{file_stem(network)}", png, curve_alt_text(record, label), label))
    for picture in (*(p for section in sections for p in section.all_pictures), *curves):
        with atomic_path(out_dir / "figures" / f"{picture.name}.png") as temporary:
            temporary.write_bytes(picture.png)
    page = out_dir / "index.html"
    html = render_page(
        display, scores, sections=sections, curves=curves, comparisons=comparisons, failed=failures(scores)
    )
    write_text_atomic(page, html)
    return page


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


def _subject_pictures(
    name: str, store: Path, reconstructions: Mapping[str, Path], scores: pd.DataFrame, display: Display
) -> tuple[list[Picture], str]:
    data = SetVolumes(store, reconstructions)
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
