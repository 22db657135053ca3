"""A look at a synthetic set: slices of some samples, and what was drawn for all of them.

Windows are those that chi maps and local fields are usually shown in: -0.1 to 0.2 ppm and +-0.05 ppm. Slices go through
the mask's centre of mass, in the radiological view where the set says how its axes lie, and in true proportions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qsmbench.core.damage import reading
from qsmbench.core.errors import InputError
from qsmbench.core.spread import Spread, one_by_one
from qsmbench.data.atomic import atomic_path, write_text_atomic
from qsmbench.data.layout import INSPECTION_FILES
from qsmbench.data.store import StoredSet
from qsmbench.report.png import fixed_style, png_bytes
from qsmbench.report.slices import PLANES, Planes, choose_planes
from qsmbench.report.volumes import subject_of

CHI_WINDOW = (-0.1, 0.2)
FIELD_WINDOW = (-0.05, 0.05)
_AXES = ("x", "y", "z")
_BAR = 20.0  # mm
_COLUMNS = 5

# Column of the tables, label, and the recipe's range it was drawn from ("a.b" or "a.b:index").
_DRAWN = (
    ("voxel_size_x", "voxel size x (mm)", "voxel_size:0"),
    ("voxel_size_y", "voxel size y (mm)", "voxel_size:1"),
    ("voxel_size_z", "voxel size z (mm)", "voxel_size:2"),
    ("rotation_x", "rotation x (degrees)", "pose.rotation"),
    ("rotation_y", "rotation y (degrees)", "pose.rotation"),
    ("rotation_z", "rotation z (degrees)", "pose.rotation"),
    ("size_x", "size x", ""),
    ("size_y", "size y", ""),
    ("size_z", "size z", ""),
    ("elastic_spacing", "elastic: spacing (mm)", "elastic.spacing"),
    ("elastic_amplitude", "elastic: amplitude / spacing", "elastic.amplitude"),
    ("gain", "contrast: gain", "contrast.gain"),
    ("gamma", "contrast: gamma", "contrast.gamma"),
    ("offset", "contrast: offset (ppm)", "contrast.offset"),
    ("b0_tilt", "B0 to z (degrees)", ""),
    ("noise_sd", "noise (ppm)", "noise.sd"),
    ("n_shapes", "shapes in the head", "shapes.count"),
    ("brain_share", "brain in the crop", ""),
)
_SHAPES = (
    ("chi", "shapes: chi (ppm)", ""),
    ("largest", "shapes: largest half-axis (mm)", "shapes.size"),
    ("edge", "shapes: edge (mm)", "shapes.edge"),
)


@dataclass(frozen=True)
class Drawn:
    """What was drawn for a set.

    Attributes:
        samples: a row a sample.
        shapes: a row a shape.
        missing: samples whose shard has no record yet.
    """

    samples: pd.DataFrame
    shapes: pd.DataFrame
    missing: int


def read_drawn(stored: StoredSet, hashes: Path, spread: Spread = one_by_one) -> Drawn:
    """Read the records ``hashes``/<shard>.json that lie beside a store.

    Raises:
        InputError: there is no record at all, or one that is damaged.
    """
    samples, shapes = [], []
    paths = sorted(hashes.glob("*.json"), key=lambda p: (len(p.name), p.name))
    if not paths:
        raise InputError(f"{hashes} holds no record of a shard; make the set's shards first")
    voxel_sizes, b0_dirs = stored.vectors()
    read = partial(_read_record, voxel_sizes=voxel_sizes, b0_dirs=b0_dirs)
    found = dict(spread(read, paths))
    for path in paths:
        samples += found[path][0]
        shapes += found[path][1]
    table = pd.DataFrame(samples).sort_values("sample", ignore_index=True)
    return Drawn(table, pd.DataFrame(shapes), len(stored) - len(table))


def _read_record(
    path: Path, *, voxel_sizes: np.ndarray, b0_dirs: np.ndarray
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of samples and of shapes of one shard."""
    with reading(path, "the record of a shard", "delete it and make it again"):
        rows = json.loads(path.read_text(encoding="utf-8"))["samples"]
        known = [(row["sample"], row["parameters"]) for row in rows if row["sample"] < len(voxel_sizes)]
        samples = [_flat(number, voxel_sizes[number], b0_dirs[number], parameters) for number, parameters in known]
        return samples, [_shape(number, shape) for number, parameters in known for shape in parameters["shapes"]]


def _flat(number: int, voxel_size: np.ndarray, b0_dir: np.ndarray, parameters: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"sample": number}
    row |= {f"voxel_size_{a}": v for a, v in zip(_AXES, voxel_size.tolist(), strict=True)}
    row["b0_tilt"] = float(np.degrees(np.arccos(min(1.0, abs(float(b0_dir[2]))))))
    for key, value in parameters.items():
        if key in ("rotation", "size", "crop_corner"):
            row |= {f"{key}_{a}": v for a, v in zip(_AXES, value, strict=True)}
        elif key not in ("shapes", "tissue"):
            row[key] = value
    return row


def _shape(number: int, shape: Mapping[str, Any]) -> dict[str, Any]:
    a, b, c = shape["half_axes"]
    return {
        "sample": number,
        "kind": shape["kind"],
        "chi": shape["chi"],
        "edge": shape["edge"],
        "half_axis_a": a,
        "half_axis_b": b,
        "half_axis_c": c,
        "largest": max(a, b, c),
    }


def chosen_samples(n: int, n_shown: int) -> list[int]:
    """``n_shown`` numbers spread evenly over ``n`` samples.

    >>> chosen_samples(100, 4)
    [0, 25, 50, 75]
    """
    return [i * n // n_shown for i in range(n_shown)] if n >= n_shown else list(range(n))


def inspect_set(store: Path, out_dir: Path, n_shown: int = 8, *, spread: Spread = one_by_one) -> str:
    """Draw samples and drawn parameters of a synthetic set; return a line on what was there.

    Args:
        store: of the set, its folder of hashes beside it.
        out_dir: folder to write.
        n_shown: rows of the contact sheet.
        spread: how records of shards are gone through.

    Raises:
        InputError: no such set, or none of its shards is made.
    """
    stored = StoredSet(store)
    drawn = read_drawn(stored, store.with_suffix(".hashes"), spread)
    made = drawn.samples["sample"].tolist()
    shown = [made[i] for i in chosen_samples(len(made), n_shown)]
    recipe: Any = stored.group.attrs["recipe"]
    for name, content in zip(
        INSPECTION_FILES[:2], (contact_sheet(stored, shown, drawn), histograms(drawn, recipe)), strict=True
    ):
        with atomic_path(out_dir / name) as temporary:
            temporary.write_bytes(content)
    for name, table in zip(INSPECTION_FILES[2:], (drawn.samples, drawn.shapes), strict=True):
        write_text_atomic(out_dir / name, table.to_csv(index=False))
    missing = f"; {drawn.missing} not made yet" if drawn.missing else ""
    return f"{len(made)} of {len(stored)} samples{missing}; {len(drawn.shapes)} shapes; {out_dir}"


def contact_sheet(stored: StoredSet, numbers: Sequence[int], drawn: Drawn) -> bytes:
    """Draw chi and field of some samples in three planes, a row a sample; PNG."""
    known = drawn.samples.set_index("sample")
    codes = stored.group.attrs.get("axis_codes")
    with fixed_style():
        figure = Figure(figsize=(11.5, 0.6 + 2.15 * len(numbers)), dpi=90, layout="constrained")
        rows = figure.subfigures(len(numbers), 1, squeeze=False)[:, 0]
        for number, row in zip(numbers, rows, strict=True):
            reference = stored.reference(number)
            subject = subject_of(
                str(number),
                stored.scan(number),
                reference,
                {},
                axis_codes=None if codes is None else str(codes),
            )
            assert subject.chi_ref is not None
            planes = choose_planes(subject)
            row.suptitle(
                _title(number, subject.voxel_size, subject.chi_ref[subject.mask], known), x=0.005, ha="left", fontsize=9
            )
            widths = [planes.extent(plane)[0] for plane in PLANES] * 2
            panels = row.subplots(1, 6, gridspec_kw={"width_ratios": widths})
            for first, volume, window, name in (
                (0, subject.chi_ref, CHI_WINDOW, "chi"),
                (3, subject.local_field, FIELD_WINDOW, "field"),
            ):
                for panel, plane in zip(panels[first : first + 3], PLANES, strict=True):
                    _picture(panel, planes, volume, plane, window)
                    panel.set_xlabel(f"{name}, {plane}", fontsize=8, labelpad=2)
        figure.suptitle(
            f"chi {CHI_WINDOW[0]:g} to {CHI_WINDOW[1]:g} ppm, field {FIELD_WINDOW[0]:g} to {FIELD_WINDOW[1]:g} ppm, "
            f"bars {_BAR:g} mm, slices through the mask's centre",
            fontsize=9,
        )
        return png_bytes(figure, np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1))


def _title(number: int, voxel_size: tuple[float, ...], inside: np.ndarray, known: pd.DataFrame) -> str:
    voxels = " x ".join(f"{v:.2f}" for v in voxel_size)
    text = f"Sample {number}: voxels of {voxels} mm"
    if number in known.index:
        row = known.loc[number]
        text += f", {row['n_shapes']:.0f} shapes in the head, gain {row['gain']:.2f}, gamma {row['gamma']:.2f}"
    if inside.size:
        text += f", chi {inside.min():.2f} to {inside.max():.2f} ppm"
    return text


def _picture(panel: Axes, planes: Planes, volume: np.ndarray, plane: str, window: tuple[float, float]) -> None:
    width, height = planes.extent(plane)
    panel.imshow(
        planes.cut(volume, plane),
        cmap="gray",
        vmin=window[0],
        vmax=window[1],
        extent=(0, width, 0, height),
        interpolation="nearest",
    )
    panel.plot([3, 3 + _BAR], [3, 3], color="white", lw=2, solid_capstyle="butt")
    for side, place, align in zip(planes.sides(plane), (0.02, 0.98), ("left", "right"), strict=True):
        panel.text(place, 0.98, side, color="white", transform=panel.transAxes, ha=align, va="top", fontsize=7)
    panel.set_xticks([])
    panel.set_yticks([])


def histograms(drawn: Drawn, recipe: Mapping[str, Any]) -> bytes:
    """Draw the distribution of every drawn parameter that varies, with the ends of its range; PNG."""
    shown = [
        (drawn.samples[column], label, _range(recipe, source))
        for column, label, source in _DRAWN
        if column in drawn.samples and drawn.samples[column].nunique() > 1
    ]
    if len(drawn.shapes) > 1:
        shown += [
            (drawn.shapes[column], label, _range(recipe, source))
            for column, label, source in _SHAPES
            if drawn.shapes[column].nunique() > 1
        ]
    n_rows = max(1, -(-len(shown) // _COLUMNS))
    with fixed_style():
        figure = Figure(figsize=(11.5, 1.75 * n_rows), dpi=90, layout="constrained")
        panels = figure.subplots(n_rows, _COLUMNS, squeeze=False).ravel()
        for panel in panels[len(shown) :]:
            panel.set_axis_off()
        if not shown:
            # A set of one sample, or of one recipe without ranges.
            panels[0].text(0, 0.5, "Nothing that is drawn varies within this set.", fontsize=9, va="center")
        for panel, (values, label, ends) in zip(panels, shown, strict=False):
            _histogram(panel, values.to_numpy(np.float64), ends, logarithmic="half-axis" in label)
            panel.set_xlabel(label, fontsize=8)
        return png_bytes(figure)


def _histogram(panel: Axes, values: np.ndarray, ends: tuple[float, float] | None, *, logarithmic: bool) -> None:
    low, high = (values.min(), values.max()) if ends is None else ends
    if ends is not None and values.dtype.kind == "f" and (values == np.rint(values)).all() and high - low < 64:
        edges = np.arange(low - 0.5, high + 1)
    elif logarithmic and low > 0:
        edges = np.geomspace(low, high, 21)
        panel.set_xscale("log")
    else:
        edges = np.linspace(low, high, 21)
    panel.hist(values, bins=edges.tolist(), color="#1f4e8c")
    for end in ends or ():
        panel.axvline(end, color="#8a3b12", lw=1)
    panel.tick_params(labelsize=7)
    panel.spines[["top", "right"]].set_visible(False)


def _range(recipe: Mapping[str, Any], source: str) -> tuple[float, float] | None:
    if source.startswith("voxel_size:"):
        axis = int(source[-1])
        return float(recipe["voxel_size"]["min"][axis]), float(recipe["voxel_size"]["max"][axis])
    part, _, name = source.partition(".")
    if not name or part not in recipe:
        return None
    low, high = recipe[part][name]
    return float(low), float(high)
