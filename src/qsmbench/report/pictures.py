"""Pictures of single scans: every method's map in three planes, the strongest source close by, chi beside the SWI."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import ndimage

from qsmbench.core.errors import InputError
from qsmbench.report.chosen import Choice
from qsmbench.report.display import Display
from qsmbench.report.figures import WINDOWS, alt_text, subject_figure
from qsmbench.report.parts import FieldRow, Picture
from qsmbench.report.png import fixed_style, png_bytes
from qsmbench.report.scores import WHOLE_MASK
from qsmbench.report.slices import choose_planes
from qsmbench.report.spectrum import relative_spectrum, spectrum_alt_text, spectrum_figure
from qsmbench.report.tables import file_stem, fixed
from qsmbench.report.tiles import tile_png
from qsmbench.report.volumes import SetVolumes, Subject
from qsmbench.report.zoom import REACH, strongest_source

_COLUMN, _TITLE, _GAP = 2.6, 0.42, 0.05  # inches
_DPI = 110


@dataclass(frozen=True)
class ScanPictures:
    """Pictures of a set's chosen scans.

    Attributes:
        pictures: in the order of the page.
        convention: the sentence on left and right.
        spectrum: where in k-space the error lies.
        tiles: small slices of the first scan: of the reference under "", and by method.
    """

    pictures: tuple[Picture, ...]
    convention: str
    spectrum: Picture | None
    tiles: Mapping[str, Picture]


def scan_pictures(
    name: str, volumes: SetVolumes, scores: pd.DataFrame, display: Display, choices: Sequence[Choice]
) -> ScanPictures:
    """Pictures of the scans that are shown.

    Args:
        name: of the set.
        volumes: its scans with their maps.
        scores: of all sets.
        display: labels and order.
        choices: the set's subjects, those to be shown first in front.
    """
    labels = {method: info.label for method, info in display.methods.items()}
    pictures: list[Picture] = []
    spectra: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    tiles: dict[str, Picture] = {}
    convention = ""
    shown = choices[: display.n_samples_shown]
    for choice in shown:
        subject = volumes.read(choice.index)
        convention = choose_planes(subject).convention()
        texts = first_scores(scores, display, name, subject.name)
        pictures += _pictures(name, subject, labels, texts, display=display, why=choice.why)
        tiles = tiles or _tiles(name, subject, labels, display, choice.why)
        for method in labels:
            chi = subject.estimates.get(method)
            if chi is not None and subject.chi_ref is not None:
                spectra.setdefault(method, []).append(relative_spectrum(subject, chi, subject.b0_dir))
    if not spectra:
        return ScanPictures(tuple(pictures), convention, None, tiles)
    spectrum = Picture(
        f"{file_stem(name)}-spectrum",
        spectrum_figure(spectra, labels),
        spectrum_alt_text(spectra, labels, display.sets[name].label),
        f"Where in k-space the error lies, over the subjects shown ({len(shown)}): its power relative to the "
        "reference's by angle to B0. Streaks come from the cone at 54.7 degrees, where the dipole kernel is zero.",
    )
    return ScanPictures(tuple(pictures), convention, spectrum, tiles)


def _tiles(name: str, subject: Subject, labels: Mapping[str, str], display: Display, why: str) -> dict[str, Picture]:
    """Small axial slices: the reference under "", and every method's map with its error below it."""
    planes, label = choose_planes(subject), display.sets[name].label
    stem = f"tile-{file_stem(name)}"
    where = f"{label}, subject {subject.name} ({why})"
    found = {}
    if subject.chi_ref is not None:
        text = f"Axial slice of the reference susceptibility: {where}, window ±{WINDOWS['chi'].limit:g} ppm."
        found[""] = Picture(f"{stem}-reference", tile_png(planes, subject.chi_ref, None), text, where)
    for method, chi in subject.estimates.items():
        if chi is not None:
            error = " and, below, its difference from the reference" if subject.chi_ref is not None else ""
            text = f"Axial slice of the susceptibility by {labels[method]}{error}: {where}."
            png = tile_png(planes, chi, subject.chi_ref)
            found[method] = Picture(f"{stem}-{file_stem(method)}", png, text, where)
    return found


def _pictures(
    name: str, subject: Subject, labels: Mapping[str, str], texts: Mapping[str, str], *, display: Display, why: str
) -> list[Picture]:
    """The scan beside its SWI where there is one, in three planes, and around its strongest source."""
    label = display.sets[name].label
    voxels = " × ".join(f"{size:.3g}" for size in subject.voxel_size)
    stem = f"{file_stem(name)}-{file_stem(subject.name)}"
    pictures = []
    if subject.companion is not None:
        shown = ", ".join(labels[m] for m, chi in subject.estimates.items() if chi is not None) or "no method"
        first = ["SWI"] + ["the true susceptibility"] * (subject.chi_ref is not None)
        pictures.append(
            Picture(
                f"{stem}-swi",
                side_by_side(subject, subject.companion, labels),
                f"{label}, {subject.name}: axial slices of {', '.join([*first, shown])}.",
                f"{subject.name}: SWI beside chi, window ±{WINDOWS['chi'].limit:g} ppm; through the mask's centre, and "
                "where chi is strongest",
            )
        )
    pictures.append(
        Picture(
            stem,
            subject_figure(subject, labels, texts),
            alt_text(subject, labels, label),
            f"Subject {subject.name} ({why}), voxels of {voxels} mm",
        )
    )
    close = strongest_source(subject)
    if close is not None:
        pictures.append(
            Picture(
                f"{stem}-zoom",
                subject_figure(close, labels),
                f"Zoom on the strongest source. {alt_text(close, labels, label)}",
                f"Subject {subject.name}: {2 * REACH:.0f} mm around the strongest source of the reference",
            )
        )
    return pictures


def first_scores(scores: pd.DataFrame, display: Display, set_name: str, subject: str) -> dict[str, str]:
    """The first metric's score of each method on one subject, as printed below the method's label."""
    metric, info = next(iter(display.metrics.items()))
    own = (scores["subject"] == subject) & (scores["set"] == set_name)
    rows = scores[own & (scores["metric"] == metric) & (scores["region"] == WHOLE_MASK)]
    unit = f" {info.unit}" if info.unit else ""
    return {
        str(row["method"]): f"{info.label} {fixed(row['value'], display.decimals(metric))}{unit}"
        for _, row in rows.iterrows()
        if math.isfinite(row["value"])
    }


def side_by_side(subject: Subject, swi: np.ndarray, labels: Mapping[str, str]) -> bytes:
    """Draw two axial slices of SWI, true chi and every method's chi, as a PNG."""
    planes = choose_planes(subject)
    reference = subject.chi_ref
    guide = reference if reference is not None else subject.local_field
    strongest = _strongest_slice(np.where(subject.mask, guide, 0))
    columns: list[tuple[str, np.ndarray | None, tuple[float, float]]] = []
    columns.append(("SWI", swi, (0.0, max(float(np.percentile(swi[subject.mask], 99.5)), 1e-9))))
    limit = WINDOWS["chi"].limit
    if reference is not None:
        columns.append(("true χ", reference, (-limit, limit)))
    columns += [(labels[m], subject.estimates[m], (-limit, limit)) for m in labels if m in subject.estimates]
    wide, tall = planes.extent("axial")
    height = _COLUMN * tall / wide
    size = (len(columns) * (_COLUMN + _GAP), 2 * height + _TITLE + _GAP)
    with fixed_style():
        figure = Figure(figsize=size, dpi=_DPI)
        for j, (title, volume, window) in enumerate(columns):
            for i, k in enumerate((planes.centre[2], strongest)):
                bottom = size[1] - _TITLE - (i + 1) * height - i * _GAP
                axes = figure.add_axes(
                    (j * (_COLUMN + _GAP) / size[0], bottom / size[1], _COLUMN / size[0], height / size[1])
                )
                at = replace(planes, centre=(planes.centre[0], planes.centre[1], k))
                _draw(axes, None if volume is None else at.cut(volume, "axial"), window)
                if i == 0:
                    axes.set_title(title)
        return png_bytes(figure, np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1))


def _strongest_slice(volume: np.ndarray) -> int:
    """The axial slice with the greatest |chi| over some millimetres, not at one voxel."""
    smooth = ndimage.gaussian_filter(np.abs(np.nan_to_num(volume)), (1.5, 1.5, 0.5))
    return int(np.argmax(smooth.max(axis=(0, 1))))


def _draw(axes: Axes, picture: np.ndarray | None, window: tuple[float, float]) -> None:
    axes.set_facecolor("white")
    axes.set_xticks([])
    axes.set_yticks([])
    if picture is None:
        axes.text(0.5, 0.5, "failed", ha="center", va="center", transform=axes.transAxes)
        return
    axes.imshow(np.nan_to_num(picture), cmap="gray", vmin=window[0], vmax=window[1], aspect="auto")
    for spine in axes.spines.values():
        spine.set_visible(False)


def _number(text: str, digits: int) -> str:
    value = float(text)
    return f"{value:.{digits}f}" if math.isfinite(value) else "failed"


def read_fields(path: Path) -> tuple[FieldRow, ...]:
    """Read the table of field errors that `evaluate-fields` writes.

    Raises:
        InputError: a file that is not there or lacks a column.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return tuple(
                FieldRow(
                    row["subject"],
                    row["field"],
                    _number(row["nrmse_demeaned"], 1),
                    _number(row["rms_error"], 1),
                    _number(row["correlation"], 3),
                    _number(row["coverage"], 3),
                    *(f"{float(row[name]):.1f}" if row[name] else "" for name in ("harmonic", "noise", "told")),
                )
                for row in csv.DictReader(file)
            )
    except FileNotFoundError as error:
        raise InputError(f"no table of fields at {path}; run the evaluation first") from error
    except KeyError as error:
        raise InputError(f"{path} lacks the column {error}; run the evaluation again") from error
