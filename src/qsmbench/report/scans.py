"""Scans in the report: the maps of a set's subjects from their files, chi beside the SWI, and how good the fields are.

Research and clinical scans differ in shape from subject to subject, so they are NIfTI files and not a Zarr store; what
is read here is the same `Subject` that figures of synthetic samples are drawn from.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from nibabel.orientations import aff2axcodes
from scipy import ndimage

from qsmbench.core.errors import InputError
from qsmbench.data.nifti import Volume, read_volume
from qsmbench.report.display import Display
from qsmbench.report.figures import WINDOWS, alt_text, subject_figure
from qsmbench.report.page import FieldRow, Picture
from qsmbench.report.png import fixed_style, png_bytes
from qsmbench.report.scan_files import ScanFiles
from qsmbench.report.slices import choose_planes
from qsmbench.report.tables import file_stem
from qsmbench.report.volumes import Subject, reorientation, turned

_COLUMN, _TITLE, _GAP = 2.6, 0.42, 0.05  # inches
_DPI = 110


def read_scan(files: ScanFiles) -> tuple[Subject, np.ndarray | None]:
    """Return the scan's volumes and its SWI, turned to right-anterior-superior (nearly, where it is oblique)."""
    field = read_volume(files.local_field, finite=False)
    codes = "".join(aff2axcodes(field.affine))  # type: ignore[no-untyped-call]
    turn, voxel_size = reorientation(codes, field.voxel_size)

    def load(path: Path) -> np.ndarray:
        return turned(read_volume(path, finite=False, like=field).data, turn)

    subject = Subject(
        name=files.name,
        voxel_size=voxel_size,
        local_field=turned(_finite(field), turn),
        mask=load(files.mask) > 0,
        chi_ref=None if files.chi_ref is None else load(files.chi_ref),
        estimates={name: load(path) if path.is_file() else None for name, path in files.maps.items()},
        oriented=True,
    )
    return subject, None if files.swi is None else load(files.swi)


class ScanVolumes:
    """The scans of one set, read one by one from their files."""

    def __init__(self, scans: Sequence[ScanFiles]) -> None:
        self.scans = tuple(scans)

    def __len__(self) -> int:
        return len(self.scans)

    def read(self, index: int) -> Subject:
        """Read one scan."""
        return read_scan(self.scans[index])[0]


def _finite(volume: Volume) -> np.ndarray:
    return np.nan_to_num(volume.data)


def scan_pictures(
    name: str, scans: Sequence[ScanFiles], scores: Mapping[str, Mapping[str, str]], display: Display
) -> tuple[list[Picture], str]:
    """Two figures a scan: chi beside SWI, and the three planes with errors; and the sentence on left and right.

    Args:
        name: of the set.
        scans: of the set, those shown.
        scores: scan to method to a short text below its label.
        display: labels and order.
    """
    labels = {method: info.label for method, info in display.methods.items()}
    pictures = []
    convention = ""
    for files in scans:
        subject, swi = read_scan(files)
        convention = choose_planes(subject).convention()
        voxels = " × ".join(f"{size:.3g}" for size in subject.voxel_size)
        stem = f"{file_stem(name)}-{file_stem(subject.name)}"
        shown = ", ".join(labels[m] for m, chi in subject.estimates.items() if chi is not None) or "no method"
        first = ["SWI"] * (swi is not None) + ["the true susceptibility"] * (subject.chi_ref is not None)
        pictures.append(
            Picture(
                f"{stem}-swi",
                side_by_side(subject, swi, labels),
                f"{display.sets[name].label}, {subject.name}: axial slices of {', '.join([*first, shown])}.",
                f"{subject.name}: SWI beside chi, window ±{WINDOWS['chi'].limit:g} ppm; through the mask's centre, and "
                "where chi is strongest",
            )
        )
        pictures.append(
            Picture(
                stem,
                subject_figure(subject, labels, scores.get(subject.name, {})),
                alt_text(subject, labels, display.sets[name].label),
                f"Subject {subject.name}, voxels of {voxels} mm",
            )
        )
    return pictures, convention


def side_by_side(subject: Subject, swi: np.ndarray | None, labels: Mapping[str, str]) -> bytes:
    """Draw two axial slices of SWI, true chi and every method's chi, as a PNG."""
    planes = choose_planes(subject)
    reference = subject.chi_ref
    guide = reference if reference is not None else subject.local_field
    strongest = _strongest_slice(np.where(subject.mask, guide, 0))
    columns: list[tuple[str, np.ndarray | None, tuple[float, float]]] = []
    if swi is not None:
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


def read_fields(path: Path) -> tuple[FieldRow, ...]:
    """Read the table of field errors that `evaluate-subjects --fields` writes.

    Raises:
        InputError: a file that is not there or lacks a column.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return tuple(
                FieldRow(
                    row["subject"],
                    row["field"],
                    f"{float(row['nrmse_demeaned']):.1f}",
                    f"{float(row['rms_error']):.1f}",
                    f"{float(row['correlation']):.3f}",
                    f"{float(row['coverage']):.3f}",
                )
                for row in csv.DictReader(file)
            )
    except FileNotFoundError as error:
        raise InputError(f"no table of fields at {path}; run the evaluation first") from error
    except KeyError as error:
        raise InputError(f"{path} lacks the column {error}; run the evaluation again") from error
