"""A method's colour and its line in a legend, the same in every figure that tells methods apart by colour."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.lines import Line2D

from qsmbench.report.display import Display


def method_colours(methods: Sequence[str]) -> dict[str, tuple[float, float, float, float]]:
    """Return a colour a method, in order; ten tell methods apart better than twenty."""
    palette = mpl.colormaps["tab10" if len(methods) <= 10 else "tab20"]
    return {method: palette(i % palette.N) for i, method in enumerate(methods)}


def method_handles(colours: dict[str, tuple[float, float, float, float]], display: Display) -> list[Line2D]:
    """Return the legend's lines, a method each."""
    return [
        Line2D([], [], color=colour, marker="o", ms=4, lw=1.4, label=display.methods[method].label)
        for method, colour in colours.items()
    ]
