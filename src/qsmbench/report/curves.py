"""How a network learnt: training loss and validation score against the step, from its `record.csv`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from qsmbench.core.damage import reading
from qsmbench.core.errors import InputError
from qsmbench.report.png import fixed_style, png_bytes

_NAMES = {
    "loss": "training loss",
    "validation_loss": "validation loss",
    "validation_rmse": "validation RMSE (%)",
    "validation_hfen": "validation HFEN (%)",
}


def read_record(path: Path) -> pd.DataFrame:
    """Read a training record: `step`, `loss` and columns `validation_*`, which may be empty on most steps.

    Raises:
        InputError: no such file, or no `step` or `loss` in it.
    """
    if not path.is_file():
        raise InputError(f"no training record at {path}; train the network first")
    with reading(path, "a training record", "train the network again"):
        record: pd.DataFrame = pd.read_csv(path).apply(pd.to_numeric)
    missing = [name for name in ("step", "loss") if name not in record]
    if missing:
        raise InputError(f"{path} lacks the column {', '.join(missing)}; it has {', '.join(record.columns)}")
    return record


def training_figure(record: pd.DataFrame) -> bytes:
    """Draw the loss (with its running median) and, where there is one, each validation column beside it."""
    validations = [c for c in record.columns if str(c).startswith("validation_") and record[c].notna().any()]
    with fixed_style():
        figure = Figure(figsize=(3.7 * (1 + len(validations)), 2.7), dpi=110, layout="constrained")
        panels = figure.subplots(1, 1 + len(validations), squeeze=False)[0]
        loss = record[["step", "loss"]].dropna()
        many = len(loss) > 60
        panels[0].plot(loss["step"], loss["loss"], color="#9db4d0" if many else "#1f4e8c", lw=0.8 if many else 1.5)
        if many:
            smooth = loss["loss"].rolling(len(loss) // 30, center=True, min_periods=1).median()
            panels[0].plot(loss["step"], smooth, color="#1f4e8c", lw=1.8, label="running median")
            panels[0].legend(frameon=False, fontsize=8)
        _finish(panels[0], "loss", bool((loss["loss"] > 0).all()))
        for axes, column in zip(panels[1:], validations, strict=True):
            points = record[["step", column]].dropna()
            axes.plot(points["step"], points[column], "o-", color="#8a3b12", lw=1.5, ms=3)
            _finish(axes, str(column), bool((points[column] > 0).all()))
        return png_bytes(figure)


def curve_alt_text(record: pd.DataFrame, label: str) -> str:
    """What the figure shows, in words and numbers."""
    loss = record[["step", "loss"]].dropna()
    if loss.empty:
        return f"Training of {label}: the record holds no step."
    first, last = loss.iloc[0], loss.iloc[-1]
    text = f"Training of {label}: the loss goes from {first['loss']:.3g} at step {first['step']:.0f} to "
    text += f"{last['loss']:.3g} at step {last['step']:.0f}."
    for column in record.columns:
        if str(column).startswith("validation_") and record[column].notna().any():
            values = record[column].dropna()
            text += f" The {_name(str(column))} goes from {values.iloc[0]:.3g} to {values.iloc[-1]:.3g}."
    return text


def _name(column: str) -> str:
    return _NAMES.get(column, column.replace("_", " "))


def _finish(axes: Axes, column: str, positive: bool) -> None:
    axes.set_xlabel("step")
    axes.set_ylabel(_name(column))
    axes.grid(True, color="#dddddd", lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if positive:
        axes.set_yscale("log")
        # Less than a decade has no power of ten in it, so minor steps carry the numbers.
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(ScalarFormatter())
        axes.yaxis.set_minor_formatter(NullFormatter())
