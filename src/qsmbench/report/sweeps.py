"""Error against voxel size with all else equal: sets that take each other's draws and differ in voxel size.

A dot in `qsmbench.report.conditions` differs from its neighbour in head, contrast and noise too. Here a curve's points
are the same heads with the same shapes and noise level, so that what a curve shows is the voxel size's doing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from qsmbench.report.colours import method_colours, method_handles
from qsmbench.report.display import Display
from qsmbench.report.png import fixed_style, png_bytes
from qsmbench.report.scores import WHOLE_MASK

MIN_POINTS = 3
_CONFIDENCE = 0.95
_INK = "#57606a"


@dataclass(frozen=True)
class Sweep:
    """Sets of the same draws along one direction of voxel sizes.

    Attributes:
        label: of the axis, with its unit and what stays.
        sets: names, by increasing size.
        sizes: what varies, mm, one a set.
        voxels: voxel size (x, y, z) in mm, one a set.
    """

    label: str
    sets: tuple[str, ...]
    sizes: tuple[float, ...]
    voxels: tuple[tuple[float, float, float], ...]


def find_sweeps(synthetic: Mapping[str, Mapping[str, Any]]) -> list[Sweep]:
    """Return the sweeps among synthetic sets (name to settings), of at least three sets each; sets may be in several.

    In plane (x = y at one slice thickness), along z (at one size in plane) and isotropic.
    """
    groups: dict[tuple[str, str], dict[float, tuple[str, tuple[float, float, float]]]] = defaultdict(dict)
    for name, spec in synthetic.items():
        low, high = (tuple(spec["recipe"]["voxel_size"][end]) for end in ("min", "max"))
        if spec["role"] != "test" or low != high:
            continue
        root, (x, y, z) = spec.get("draws_of") or name, low
        if x == y:
            groups[root, f"voxel size in plane (mm), slices of {z:g} mm"][x] = name, (x, y, z)
        groups[root, f"slice thickness (mm), {x:g} x {y:g} mm in plane"][z] = name, (x, y, z)
        if x == y == z:
            groups[root, "isotropic voxel size (mm)"][x] = name, (x, y, z)
    return [
        Sweep(
            label,
            tuple(points[size][0] for size in sorted(points)),
            tuple(sorted(points)),
            tuple(points[size][1] for size in sorted(points)),
        )
        for (_, label), points in groups.items()
        if len(points) >= MIN_POINTS
    ]


def sweep_figure(scores: pd.DataFrame, display: Display, metric: str, sweeps: Sequence[Sweep]) -> bytes:
    """Draw a column a sweep: every method's mean, and below it its paired difference from the baseline's; a PNG."""
    info, baseline = display.metrics[metric], display.baseline_method
    tables = [_values(scores, metric, sweep) for sweep in sweeps]
    methods = [m for m in display.methods if any(m in t for table in tables for t in table)]
    colours = method_colours(methods)
    unit = f" ({info.unit})" if info.unit else ""
    with fixed_style():
        figure = Figure(figsize=(4.4 * len(sweeps) + 1.8, 6.0), dpi=110, layout="constrained")
        panels = figure.subplots(2, len(sweeps), squeeze=False, sharex="col", sharey="row")
        for column, (sweep, table) in enumerate(zip(sweeps, tables, strict=True)):
            upper, lower = panels[:, column]
            lower.axhline(0, color=colours.get(baseline, _INK), lw=1.4)
            for i, method in enumerate(methods):
                means = [float(t[method].mean()) if method in t else np.nan for t in table]
                upper.plot(sweep.sizes, means, marker="o", ms=3.5, lw=1.4, color=colours[method])
                own = _own_size(display, method, sweep)
                if own is not None:
                    upper.plot(sweep.sizes[own], means[own], "o", ms=10, mfc="none", mew=1.6, color=colours[method])
                if method == baseline:
                    continue
                paired = [_interval(t, method, baseline) for t in table]
                # Bars beside each other rather than on top of each other.
                shift = (i - (len(methods) - 1) / 2) * 0.012 * (sweep.sizes[-1] - sweep.sizes[0])
                lower.errorbar(
                    np.array(sweep.sizes) + shift,
                    [p[0] for p in paired],
                    yerr=[p[1] for p in paired],
                    marker="o",
                    ms=3.5,
                    lw=1.0,
                    elinewidth=1.0,
                    color=colours[method],
                )
            lower.set_xlabel(sweep.label)
            for axes in (upper, lower):
                axes.grid(True, color="#dddddd", lw=0.6)
                axes.set_axisbelow(True)
                axes.spines[["top", "right"]].set_visible(False)
        panels[0, 0].set_ylabel(f"{info.label}{unit}, mean")
        panels[0, 0].set_ylim(bottom=0)
        about = display.methods[baseline].label if baseline in display.methods else baseline
        panels[1, 0].set_ylabel(f"difference from {about}{unit}")
        handles = method_handles(colours, display)
        if any(_own_size(display, m, sweep) is not None for m in methods for sweep in sweeps):
            handles.append(
                mpl.lines.Line2D([], [], color=_INK, marker="o", ms=9, mfc="none", lw=0, label="trained at this size")
            )
        figure.legend(handles=handles, loc="outside right upper", frameon=False, fontsize=7)
        return png_bytes(figure)


def sweep_alt_text(scores: pd.DataFrame, display: Display, metric: str, sweeps: Sequence[Sweep]) -> str:
    """What the figure shows, in words: every method's mean at every size."""
    info, parts = display.metrics[metric], []
    for sweep in sweeps:
        table = _values(scores, metric, sweep)
        words = [
            f"{about.label} " + ", ".join(f"{t[method].mean():.3g}" for t in table if method in t)
            for method, about in display.methods.items()
            if any(method in t for t in table)
        ]
        parts.append(f"against {sweep.label} {', '.join(f'{s:g}' for s in sweep.sizes)}: {'; '.join(words)}")
    return f"{info.label}, mean over the same subjects, {'. '.join(parts)}."


def _values(scores: pd.DataFrame, metric: str, sweep: Sweep) -> list[pd.DataFrame]:
    """A table a set: subjects down, methods across."""
    own = scores[(scores["metric"] == metric) & (scores["region"] == WHOLE_MASK)]
    return [
        own[own["set"] == name].pivot(index="subject", columns="method", values="value").dropna(axis=1, how="all")
        for name in sweep.sets
    ]


def _interval(table: pd.DataFrame, method: str, baseline: str) -> tuple[float, float]:
    """Mean of the paired difference and half its 95 % interval (Student's t); NaN below two pairs."""
    if method not in table or baseline not in table:
        return np.nan, np.nan
    difference = (table[method] - table[baseline]).dropna().to_numpy()
    if len(difference) < 2:
        return np.nan, np.nan
    half = stats.t.ppf((1 + _CONFIDENCE) / 2, len(difference) - 1) * stats.sem(difference)
    return float(difference.mean()), float(half)


def _own_size(display: Display, method: str, sweep: Sweep) -> int | None:
    """Which point of the sweep has the one voxel size that a method's network was trained on."""
    trained = display.trained_range.get(method)
    if trained is None or trained["min"] != trained["max"]:
        return None
    return next((i for i, v in enumerate(sweep.voxels) if np.allclose(v, trained["min"], atol=1e-3)), None)
