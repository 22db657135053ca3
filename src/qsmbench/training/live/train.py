"""Train a network on samples that the device makes as it goes: nothing on disk, no package beyond torch, numpy, scipy.

    python -m qsmbench.training.live configs/live/meta-qsm.yaml --heads HEADS --folder FOLDER [--device cuda]

The folder holds `<name>.checkpoint` (everything, written every few minutes and when it is stopped; the same command
goes on from it), `<name>.pt` (the averaged weights, usable at any moment), `<name>.csv` (the course)
and, at the end, `cards/` (what `tools/ship_weights.py --live FOLDER/cards` puts into the package).
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import signal
import sys
import time
from pathlib import Path

import torch

from qsmbench.core.errors import InputError
from qsmbench.core.interruption import stop_on
from qsmbench.data.atomic import write_text_atomic
from qsmbench.training.live.card import write_card
from qsmbench.training.live.heads import load_heads
from qsmbench.training.live.pool import Pool, validation_groups
from qsmbench.training.live.settings import LiveTraining, read_settings
from qsmbench.training.live.state import LiveState

COLUMNS = ("step", "cpu_hours", "loss", "learning_rate")


def train_live(spec: LiveTraining, heads: Path, folder: Path, *, device: str = "cpu", hours: float = math.inf) -> Path:
    """Train until the last step, the hours given, or SIGTERM; return the file of the averaged weights.

    Raises:
        InputError: heads or checkpoint are missing or of another training.
        FloatingPointError: the loss is no longer finite; the checkpoint before stays.
    """
    # A stopped training has its weights as well as its checkpoint.
    own = load_heads(heads, device)
    state = LiveState.start(spec, folder, device)
    weights = folder / f"{spec.name}.pt"
    if state.step:
        say(f"{spec.name}: goes on from step {state.step}")
    if spec.convolution == "auto":
        state.choose_convolution()
    pool = Pool(own, spec)
    sets = list(validation_groups(own, spec))
    began, saved, process, before = time.monotonic(), time.monotonic(), time.process_time(), state.cpu_hours
    with stop_on(signal.SIGTERM, patient=True) as stop:
        while state.step < spec.steps and not stop.asked and time.monotonic() - began < 3600 * hours:
            loss = state.advance(pool.patches(state.step))
            if not math.isfinite(loss):
                raise FloatingPointError(f"{spec.name}: the loss is {loss} at step {state.step}; lower learning_rate")
            state.cpu_hours = before + (time.process_time() - process) / 3600
            if state.step % spec.validation_steps == 0 or state.step == spec.steps:
                _note(state, {name: state.validate(groups) for name, groups in sets}, folder)
                state.export(weights)
            if time.monotonic() - saved > 60 * spec.checkpoint_minutes:
                state.save()
                saved = time.monotonic()
    state.save()
    state.export(weights)
    write_card(state, own, folder / "cards", (*COLUMNS, *(name for name, _ in sets)))
    say(f"{spec.name}: {'done' if state.step >= spec.steps else 'stopped'} at step {state.step} of {spec.steps}")
    return weights


def _note(state: LiveState, found: dict[str, float], folder: Path) -> None:
    """Keep a row of the course, and write all of them."""
    row = {"step": state.step, "cpu_hours": round(state.cpu_hours, 4)}
    row |= {"loss": round(state.mean_loss(), 5), "learning_rate": state.rate()}
    row |= {name: round(value, 2) for name, value in found.items()}
    state.rows.append([str(row[key]) for key in (*COLUMNS, *found)])
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([(*COLUMNS, *found), *state.rows])
    write_text_atomic(folder / f"{state.spec.name}.csv", table.getvalue())
    say(", ".join(f"{key} {value:.6g}" for key, value in row.items()))


def say(line: str) -> None:
    """Write a line of the log at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; 2 for wrong input."""
    parser = argparse.ArgumentParser(
        prog="python -m qsmbench.training.live",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("settings", type=Path, nargs="+", help="YAML files, trained one after another")
    parser.add_argument("--heads", type=Path, required=True, help="folder written by tools/make_heads.py")
    parser.add_argument("--folder", type=Path, required=True, help="for checkpoint, weights and course")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--hours", type=float, default=math.inf, help="stop after so long, with a checkpoint")
    parser.add_argument("--threads", type=int, help="of torch on a CPU")
    options = parser.parse_args(arguments)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    try:
        for path in options.settings:
            train_live(read_settings(path), options.heads, options.folder, device=options.device, hours=options.hours)
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0
