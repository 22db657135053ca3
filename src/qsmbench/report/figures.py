"""One subject as a picture: the field, the reference and every method's chi, each with its error below it.

Same window for everything of a kind, stated on the colour bar. Methods run across, planes down.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import AbstractPathEffect, withStroke

from qsmbench.report.png import fixed_style, png_bytes
from qsmbench.report.slices import PLANES, Planes, choose_planes
from qsmbench.report.volumes import Subject


@dataclass(frozen=True)
class ColourScale:
    """How a kind of map is drawn: symmetric limits in ppm, colour map, colour outside the mask, label of the bar."""

    limit: float
    colours: str
    outside: str
    label: str


# Chi and field windows as in the reports of the QSM challenges (doi 10.1002/mrm.26830 shows +-0.1 ppm).
WINDOWS: Mapping[str, ColourScale] = MappingProxyType(
    {
        "field": ColourScale(0.05, "gray", "black", "local field (ppm)"),
        "chi": ColourScale(0.1, "gray", "black", "χ (ppm)"),
        "error": ColourScale(0.1, "RdBu_r", "#c8c8c8", "χ − reference (ppm)"),
    }
)
# Steps of 2 ppb: below what the eye tells apart, and few enough for a PNG with a palette.
_LEVELS = 101
_FAILED_INK, _FAILED_GROUND = "#a40000", "#fdecea"
_DPI = 100
_COLUMN = 1.9  # inches
_GAP = 0.05
_HEAD = 0.62
_FOOT = 0.62
_EDGE = 0.32
_MIN_WIDTH = 6.0
_TITLE_WIDTH = 24  # characters
_POINTS = 1 / 72  # inches


def subject_figure(subject: Subject, labels: Mapping[str, str], scores: Mapping[str, str] | None = None) -> bytes:
    """Draw one subject: the reference with the field below it, then each method's chi with its error below it.

    Without a reference the field stands in its place, and there are no errors.

    Args:
        subject: its volumes.
        labels: method id to label, in the order of the columns.
        scores: method id to a short text below its label ("RMSE 31.6 %").

    Returns:
        A PNG.
    """
    planes = choose_planes(subject)
    scores = scores or {}
    methods = [method for method in labels if method in subject.estimates]
    reference = subject.chi_ref
    with fixed_style():
        figure, grid = _layout(planes, len(methods), has_errors=reference is not None)
        for (plane, kind), (first, *rest) in grid.items():
            shows_reference = kind == "map" and reference is not None
            inset = reference if reference is not None and shows_reference else subject.local_field
            first.draw(inset, planes, plane, WINDOWS["chi" if shows_reference else "field"])
            if kind == "map":
                first.letter(*planes.sides(plane))
            if kind == "error":
                first.name_row("local field")
                for panel in rest[:1]:
                    panel.name_row("error")
            else:
                first.name_row(plane)
            for panel, method in zip(rest, methods, strict=True):
                chi = subject.estimates[method]
                if chi is None:
                    panel.draw_failure("failed" if kind == "map" else "")
                elif kind == "error" and reference is not None:
                    panel.draw(chi - reference, planes, plane, WINDOWS["error"])
                else:
                    panel.draw(chi, planes, plane, WINDOWS["chi"])
        first, *rest = next(iter(grid.values()))
        first.title("local field" if reference is None else "reference")
        for panel, method in zip(rest, methods, strict=True):
            failed = subject.estimates[method] is None
            lines = [*textwrap.wrap(labels[method], _TITLE_WIDTH), *filter(None, [scores.get(method)])]
            panel.title("\n".join(lines), color=_FAILED_INK if failed else "black")
        _colour_bars(figure, ["field", "chi", "error"] if reference is not None and methods else ["field", "chi"])
        return png_bytes(figure, _palette())


def alt_text(subject: Subject, labels: Mapping[str, str], set_label: str) -> str:
    """What the figure shows, in words."""
    shown = [label for method, label in labels.items() if subject.estimates.get(method) is not None]
    failed = [label for method, label in labels.items() if method in subject.estimates and label not in shown]
    reference = ", the reference susceptibility" if subject.chi_ref is not None else ""
    error = ", and below each its difference from the reference" if subject.chi_ref is not None and shown else ""
    text = (
        f"{set_label}, subject {subject.name}: axial, coronal and sagittal slices of the local field{reference}, "
        f"and the susceptibility by {', '.join(shown) or 'no method'}{error}."
    )
    return text + (f" Failed: {', '.join(failed)}." if failed else "")


@dataclass(frozen=True)
class _Panel:
    """A slice's place, in inches, on the one pair of axes of a figure: axes of its own would cost more than it."""

    axes: Axes
    left: float
    bottom: float
    wide: float
    tall: float

    def draw(self, volume: np.ndarray, planes: Planes, plane: str, window: ColourScale) -> None:
        self.axes.imshow(
            np.ma.masked_where(~planes.cut(planes.mask, plane), planes.cut(volume, plane)),
            cmap=_colours(window),
            vmin=-window.limit,
            vmax=window.limit,
            extent=(self.left, self.left + self.wide, self.bottom, self.bottom + self.tall),
            aspect="auto",
            interpolation="antialiased",
        )

    def draw_failure(self, text: str) -> None:
        ground = Rectangle((self.left, self.bottom), self.wide, self.tall, facecolor=_FAILED_GROUND, edgecolor="none")
        self.axes.add_patch(ground)
        self._write(0.5, 0.5, text, color=_FAILED_INK, ha="center", va="center")

    def letter(self, left: str, right: str) -> None:
        outline: list[AbstractPathEffect] = [withStroke(linewidth=2, foreground="black")]
        for x, letter, side in ((0.03, left, "left"), (0.97, right, "right")):
            self._write(x, 0.97, letter, color="white", weight="bold", ha=side, va="top", path_effects=outline)

    def name_row(self, text: str) -> None:
        self._write(-_POINTS * 4 / self.wide, 0.5, text, rotation=90, ha="right", va="center")

    def title(self, text: str, color: str = "black") -> None:
        self._write(0.5, 1 + _POINTS * 5 / self.tall, text, color=color, ha="center", va="bottom")

    def _write(self, x: float, y: float, text: str, **how: Any) -> None:
        """Write at a place in shares of the panel."""
        self.axes.text(self.left + x * self.wide, self.bottom + y * self.tall, text, **how)


def _layout(planes: Planes, n_methods: int, has_errors: bool) -> tuple[Figure, dict[tuple[str, str], list[_Panel]]]:
    """Panels by (plane, "map" or "error"): the first of a row shows what goes in, the others a method each."""
    # One scale in inches per mm for all planes, so that the slices of a subject can be compared in size.
    scale = _COLUMN / max(planes.extent(plane)[0] for plane in PLANES)
    kinds = ["map", "error"] if has_errors else ["map"]
    heights = {(plane, kind): planes.extent(plane)[1] * scale for plane in PLANES for kind in kinds}
    lefts = [_EDGE] + [2 * _EDGE + _COLUMN + i * (_COLUMN + _GAP) for i in range(n_methods)]
    width = max(lefts[-1] + _COLUMN + _GAP, _MIN_WIDTH)
    height = _HEAD + _FOOT + sum(heights.values()) + _GAP * len(heights)
    figure = Figure(figsize=(width, height), dpi=_DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    grid: dict[tuple[str, str], list[_Panel]] = {}
    top = height - _HEAD
    for key, tall in heights.items():
        wide = planes.extent(key[0])[0] * scale
        margin = (_COLUMN - wide) / 2
        grid[key] = [_Panel(axes, left + margin, top - tall, wide, tall) for left in lefts]
        top -= tall + _GAP
    return figure, grid


def _colour_bars(figure: Figure, kinds: Sequence[str]) -> None:
    width, height = figure.get_size_inches()
    room = min(width - _EDGE, 14.0) / len(kinds)
    for i, kind in enumerate(kinds):
        window = WINDOWS[kind]
        long = min(0.8 * room, 2.6)
        axes = figure.add_axes(
            ((_EDGE + i * room + (room - long) / 2) / width, 0.42 / height, long / width, 0.1 / height)
        )
        norm = Normalize(-window.limit, window.limit)
        bar = figure.colorbar(
            ScalarMappable(norm, _colours(window)),
            cax=axes,
            orientation="horizontal",
            ticks=[-window.limit, 0, window.limit],
        )
        bar.ax.tick_params(labelsize=8, length=2, pad=1)
        bar.set_label(window.label, labelpad=1, fontsize=8)


def _colours(window: ColourScale) -> Colormap:
    return mpl.colormaps[window.colours].resampled(_LEVELS).with_extremes(bad=window.outside)


def _palette() -> np.ndarray:
    """Every colour that a subject's figure can have, text included: (n, 3), uint8."""
    steps = np.linspace(0, 1, _LEVELS)
    maps = [_colours(window)(steps)[:, :3] for window in WINDOWS.values() if window.colours != "gray"]
    greys = np.repeat(steps[:, None], 3, axis=1)
    ink, ground = np.array(to_rgb(_FAILED_INK)), np.array(to_rgb(_FAILED_GROUND))
    # The letters of a failed panel blend into its ground.
    blend = steps[::10, None] * ink + (1 - steps[::10, None]) * ground
    outside = np.array([to_rgb(window.outside) for window in WINDOWS.values()])
    return np.unique(np.rint(np.concatenate([greys, *maps, blend, outside]) * 255).astype(np.uint8), axis=0)
