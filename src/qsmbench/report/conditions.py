"""Error against what the samples differ in: voxel size and noise.

A dot is a subject, a line the mean over the subjects of one set (or of one bin where a set spans a range). Where a
method is a network, the range of voxel sizes that it was trained on is shaded: beyond it, a network is on its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qsmbench.report.colours import method_colours, method_handles
from qsmbench.report.display import Display
from qsmbench.report.png import fixed_style, png_bytes
from qsmbench.report.scores import WHOLE_MASK

_BINS = 6
_MARKERS = "osD^vP*X"


@dataclass(frozen=True)
class Condition:
    """Something that samples differ in.

    Attributes:
        label: of the axis, with its unit.
        values: set to subject to value.
        trained: method to the range it was trained on, where there is one.
    """

    label: str
    values: Mapping[str, Mapping[str, float]]
    trained: Mapping[str, tuple[float, float]]

    @property
    def varies(self) -> bool:
        """Whether there is anything to plot against."""
        found = [v for samples in self.values.values() for v in samples.values()]
        return len(found) > 1 and max(found) - min(found) > 1e-9


def voxel_size_conditions(
    sizes: Mapping[str, Mapping[str, Sequence[float]]], trained: Mapping[str, Mapping[str, Sequence[float]]]
) -> list[Condition]:
    """In-plane voxel size (mean of the first two axes) and slice thickness, from (x, y, z) in mm by set and sample."""

    def condition(label: str, of: Sequence[int]) -> Condition:
        return Condition(
            label,
            {n: {i: float(np.mean([s[a] for a in of])) for i, s in samples.items()} for n, samples in sizes.items()},
            {
                m: (float(np.mean([r["min"][a] for a in of])), float(np.mean([r["max"][a] for a in of])))
                for m, r in trained.items()
            },
        )

    return [condition("voxel size in plane (mm)", (0, 1)), condition("slice thickness (mm)", (2,))]


def condition_figure(scores: pd.DataFrame, display: Display, metric: str, conditions: Sequence[Condition]) -> bytes:
    """Draw a panel a condition: a colour a method, a marker a set; a PNG."""
    info = display.metrics[metric]
    own = scores[(scores["metric"] == metric) & (scores["region"] == WHOLE_MASK) & scores["value"].notna()]
    methods = [m for m in display.methods if (own["method"] == m).any()]
    colours = method_colours(methods)
    with fixed_style():
        figure = Figure(figsize=(4.6 * len(conditions) + 1.6, 3.4), dpi=110, layout="constrained")
        panels = figure.subplots(1, len(conditions), squeeze=False, sharey=True)[0]
        for axes, condition in zip(panels, conditions, strict=True):
            for method in methods:
                if method in condition.trained:
                    low, high = condition.trained[method]
                    if high > low:
                        axes.axvspan(low, high, color=colours[method], alpha=0.08, lw=0)
                    else:
                        # Networks trained at the same size: dashes of each colour in turn.
                        same = [m for m in methods if condition.trained.get(m) == (low, high)]
                        dash = (3 * same.index(method), (3, 3 * len(same) - 3 or 3))
                        axes.axvline(low, color=colours[method], ls=(0, (1, 2)) if len(same) == 1 else dash, lw=1.2)
                _draw_method(axes, own[own["method"] == method], condition, colours[method])
            axes.set_xlabel(condition.label)
            axes.grid(True, color="#dddddd", lw=0.6)
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
        panels[0].set_ylabel(f"{info.label} ({info.unit})" if info.unit else info.label)
        handles: list[Artist] = [*method_handles(colours, display)]
        handles += [
            mpl.lines.Line2D(
                [], [], color="#57606a", marker=_MARKERS[i % len(_MARKERS)], ms=4, lw=0, label=display.sets[s].label
            )
            for i, s in enumerate(conditions[0].values)
        ]
        found = [condition.trained[m] for condition in conditions for m in methods if m in condition.trained]
        if any(high > low for low, high in found):
            handles.append(mpl.patches.Patch(color="#57606a", alpha=0.15, lw=0, label="sizes a network was trained on"))
        if any(high == low for low, high in found):
            handles.append(mpl.lines.Line2D([], [], color="#57606a", ls=":", label="the one size it was trained on"))
        figure.legend(handles=handles, loc="outside right upper", frameon=False, fontsize=7)
        return png_bytes(figure)


def _draw_method(axes: Axes, rows: pd.DataFrame, condition: Condition, colour: tuple[float, ...]) -> None:
    for i, (name, samples) in enumerate(condition.values.items()):
        own = rows[rows["set"] == name]
        subjects = pd.Series([samples.get(str(s), np.nan) for s in own["subject"]], own.index, float)
        known = subjects.notna()
        if not known.any():
            continue
        x, y = subjects[known].to_numpy(np.float64), own.loc[known, "value"].to_numpy(np.float64)
        axes.plot(x, y, _MARKERS[i % len(_MARKERS)], ms=3.5, mew=0, alpha=0.55, color=colour)
        if len(x) < 2:
            continue
        if x.max() - x.min() < 1e-9:
            axes.plot([x[0]], [y.mean()], "_", ms=16, mew=2, color=colour)
            continue
        edges = np.linspace(x.min(), x.max(), min(_BINS, max(2, len(x) // 3)) + 1)
        which = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2)
        filled = [b for b in range(len(edges) - 1) if (which == b).any()]
        axes.plot([x[which == b].mean() for b in filled], [y[which == b].mean() for b in filled], lw=1.4, color=colour)


def condition_alt_text(scores: pd.DataFrame, display: Display, metric: str, conditions: Sequence[Condition]) -> str:
    """What the figure shows, in words, with each method's correlation between condition and score."""
    info = display.metrics[metric]
    parts = []
    for condition in conditions:
        words = []
        for method, about in display.methods.items():
            rows = scores[
                (scores["metric"] == metric) & (scores["region"] == WHOLE_MASK) & (scores["method"] == method)
            ]
            pairs = [
                (samples[s], v)
                for name, samples in condition.values.items()
                for s, v in rows.loc[rows["set"] == name, ["subject", "value"]].itertuples(index=False)
                if s in samples and np.isfinite(v)
            ]
            x, y = (np.array(v) for v in zip(*pairs, strict=True)) if pairs else (np.array([]), np.array([]))
            if len(x) > 2 and x.std() > 0 and y.std() > 0:
                words.append(f"{about.label} r = {np.corrcoef(x, y)[0, 1]:.2f}")
        parts.append(f"against {condition.label}" + (f" ({', '.join(words)})" if words else ""))
    return f"{info.label} of every subject {'; '.join(parts)}. r is the correlation over subjects."
