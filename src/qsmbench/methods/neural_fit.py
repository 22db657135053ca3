"""Fit a neural field to one scan, patch by patch, in memory that a patch bounds.

A step on a patch has two passes. First the field is evaluated on the patch, piece by piece and without a graph, and the
physics gives dL/dchi for every voxel. Then each piece is evaluated again with its graph and takes its share of dL/dchi
back to the parameters. The gradient is exact, and no more than one piece's activations are held. (A patch of one piece
is evaluated once.)

Everything that happens follows from the seed and the number of steps done, so that a checkpoint needs no more than the
parameters, the optimiser, the last compensation and the history, and a resumed fit ends at the same bits.
"""

from __future__ import annotations

import hashlib
import math
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from tqdm import tqdm

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.core.interruption import Stop, stop_on
from qsmbench.core.scan import Scan
from qsmbench.core.seeds import generator_for
from qsmbench.methods.contract import ReconstructionError
from qsmbench.methods.convergence import Convergence, Iteration
from qsmbench.methods.field_loss import UNIT, FieldLoss
from qsmbench.networks.lattice import pieces
from qsmbench.networks.snapshot import load_snapshot, save_snapshot
from qsmbench.physics.fourier import FourierFilter
from qsmbench.physics.patches import Box, outside_field, patch_filter

if TYPE_CHECKING:
    from qsmbench.networks.neural_field import NeuralField

CHECKPOINT_SECONDS = 300.0
LOG_SECONDS = 60.0


@dataclass(frozen=True)
class Schedule:
    """How long and how fast.

    Attributes:
        epochs: most passes over the patches.
        final_rate: learning rate at the end over that at the start; exponential between.
        tolerance: relative change of the held-out residual, over ``patience`` epochs, below which the fit ends.
        patience: epochs.
        refresh: epochs between two compensations; 0 for none.
        informed: whether the network starts from a map; else there is nothing to compensate with before ``refresh``.
        chunk: points of the network held at once.
        mixed: whether the network runs in bfloat16 with float32 weights.
        seed: order of the patches.
    """

    epochs: int
    final_rate: float
    tolerance: float
    patience: int
    refresh: int
    informed: bool
    chunk: int
    mixed: bool
    seed: int


@dataclass
class _State:
    """All that changes while the fit goes on."""

    step: int = 0
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    losses: list[float] = field(default_factory=list)
    residuals: list[float] = field(default_factory=list)
    chi: torch.Tensor | None = None
    field: torch.Tensor | None = None


class NeuralFit:
    """One fit.

    Args:
        scan: on the box that is fitted.
        network: its start.
        optimiser: of the network's parameters, at the starting learning rate.
        whole: the dipole convolution on the box.
        loss: of the scan.
        boxes: patches of one size.
        schedule: see `Schedule`.
        checkpoint: folder, or None.
        identity: what the fit is determined by; names the checkpoint.
    """

    def __init__(
        self,
        scan: Scan,
        *,
        network: NeuralField,
        optimiser: torch.optim.Optimizer,
        whole: FourierFilter,
        loss: FieldLoss,
        boxes: Sequence[Box],
        schedule: Schedule,
        checkpoint: str | None = None,
        identity: str = "",
    ) -> None:
        self.scan, self.network, self.optimiser, self.whole = scan, network, optimiser, whole
        self.loss, self.boxes, self.schedule = loss, boxes, schedule
        x, y, z = (s.stop - s.start for s in boxes[0])
        self.inside = patch_filter(whole, (x, y, z))
        self.axes = lattice_axes(scan.grid)
        self.state = _State()
        self.rates = [float(group["lr"]) for group in optimiser.param_groups]
        digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
        self.path = None if checkpoint is None else Path(checkpoint) / f"{digest}.pt"
        # A single patch has no outside but what is zero.
        self.compensate = schedule.refresh > 0 and len(boxes) > 1
        self.stop = Stop()

    def run(self) -> tuple[Convergence, Convergence]:
        """Fit; return the course of the held-out residual's change, and of the loss.

        Raises:
            KeyboardInterrupt: a signal asked to stop; the checkpoint, if there is one, is written.
            ReconstructionError: the loss is not finite.
        """
        self._resume()
        schedule, state = self.schedule, self.state
        n_boxes = len(self.boxes)
        saved = logged = time.monotonic()
        with (
            stop_on(signal.SIGINT, signal.SIGTERM) if self.path is not None else nullcontext(self.stop) as self.stop,
            Iteration("INR-QSM", "change of held-out residual", schedule.tolerance, schedule.epochs) as iteration,
            torch.enable_grad(),
        ):
            for n_before in range(1, len(state.residuals) + 1):
                iteration.step(self._change(n_before))
            while len(state.residuals) < schedule.epochs and not iteration.converged:
                epoch, position = divmod(state.step, n_boxes)
                if position == 0 and self.compensate and epoch % schedule.refresh == 0:
                    self._predict_whole()
                order = generator_for(schedule.seed, "patches", epoch).permutation(n_boxes)
                completed = not self.stop.asked and self._step(self.boxes[int(order[position])])
                if not completed:
                    self._save()
                    if self.path is not None:
                        _say(f"stopped at step {state.step}; the same call goes on from {self.path}")
                    raise KeyboardInterrupt
                if state.step % n_boxes == 0:
                    self._end_epoch()
                    iteration.step(self._change(len(state.residuals)), shown=self._shown())
                if time.monotonic() - logged > LOG_SECONDS:
                    logged = time.monotonic()
                    done = state.step % n_boxes
                    now = f"{state.sums[0] / done:.3g}" if done else f"{state.losses[-1]:.3g}"
                    _say(f"step {state.step} of at most {schedule.epochs * n_boxes}: loss {now}")
                if time.monotonic() - saved > CHECKPOINT_SECONDS:
                    self._save()
                    saved = time.monotonic()
        if self.path is not None:
            self.path.unlink(missing_ok=True)
        loss = Convergence("INR-QSM loss", "loss", 0.0, tuple(state.losses), iteration.converged)
        return iteration.convergence, loss

    def _step(self, box: Box) -> bool:
        """One patch; False where a signal came before the parameters were touched."""
        inside = self.scan.mask[box]
        axes = [a[s] for a, s in zip(self.axes, box, strict=True)]
        runs = list(pieces(inside, self.schedule.chunk))
        self.optimiser.zero_grad(set_to_none=True)
        single = len(runs) == 1
        chi = torch.zeros(inside.shape, device=inside.device)
        values: list[torch.Tensor] = []
        with nullcontext() if single else torch.no_grad():
            for index in runs:
                values.append(self._evaluate(axes, index))
                chi.view(-1)[index] = values[-1].detach()
                if self.stop.asked:
                    return False
        chi.requires_grad_()
        outside = None
        if self.compensate:
            assert self.state.chi is not None and self.state.field is not None
            outside = outside_field(self.state.chi, self.state.field, box, self.inside)
        loss, residual = self.loss(chi, self.inside(chi), box, outside)
        (slope,) = torch.autograd.grad(loss, chi)
        for k, index in enumerate(runs):
            y = values[k] if single else self._evaluate(axes, index)
            torch.autograd.backward(y, slope.view(-1)[index])
            if self.stop.asked:
                return False
        rate = self.schedule.final_rate ** (self.state.step / (self.schedule.epochs * len(self.boxes)))
        for group, start in zip(self.optimiser.param_groups, self.rates, strict=True):
            group["lr"] = start * rate
        self.optimiser.step()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise ReconstructionError(f"the loss became {value} at step {self.state.step}; lower learning_rate")
        held = self.loss.held_out[box]
        squares = residual.square() * self.loss.weights[box] * held
        for i, part in enumerate((value, float(squares.double().sum()), float(held.sum()))):
            self.state.sums[i] += part
        self.state.step += 1
        return True

    def _evaluate(self, axes: Sequence[torch.Tensor], index: torch.Tensor) -> torch.Tensor:
        with torch.autocast(index.device.type, torch.bfloat16) if self.schedule.mixed else nullcontext():
            return self.network.on_lattice(axes, index).float()

    def _predict_whole(self) -> None:
        if self.state.step or self.schedule.informed:
            self.state.chi = self.network.sample(self.axes, self.scan.mask, self.schedule.chunk)
        else:
            self.state.chi = torch.zeros(self.scan.grid.shape, device=self.scan.device)
        self.state.field = self.whole(self.state.chi)

    def _end_epoch(self) -> None:
        loss, squares, n_held = self.state.sums
        self.state.losses.append(loss / len(self.boxes))
        # In ppm; without held-out voxels the square root of the loss stands in.
        self.state.residuals.append(UNIT * math.sqrt(squares / n_held if n_held else self.state.losses[-1]))
        self.state.sums = [0.0, 0.0, 0.0]

    def _change(self, n: int) -> float:
        """Range of the residual over the last epochs before the n-th, relative; 1 where there are too few.

        A start from a map that has seen every voxel begins with a rise, so a rise is no reason to end, and its first
        and last values alone would take the turn after it for a standstill.
        """
        if n <= self.schedule.patience:
            return 1.0
        last = self.state.residuals[n - 1 - self.schedule.patience : n]
        return 1 - min(last) / max(last) if max(last) > 0 else 0.0

    def _shown(self) -> dict[str, str]:
        if not self.state.losses:
            return {}
        return {"loss": f"{self.state.losses[-1]:.3g}", "held-out ppb": f"{1000 * self.state.residuals[-1]:.3g}"}

    def _save(self) -> None:
        if self.path is None:
            return
        content: dict[str, Any] = {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "state": dict(vars(self.state)),
        }
        save_snapshot(self.path, content)

    def _resume(self) -> None:
        if self.path is None or not self.path.exists():
            return
        content = load_snapshot(self.path, "the checkpoint", self.scan.device)
        try:
            self.network.load_state_dict(content["network"])
            self.optimiser.load_state_dict(content["optimiser"])
            self.state = _State(**content["state"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise InputError(f"checkpoint {self.path} is of another fit; delete it") from error
        _say(f"going on from step {self.state.step} of {self.path}")


def _say(text: str) -> None:
    """A line beside the bar on a terminal, and a plain line elsewhere."""
    tqdm.write(f"INR-QSM: {text}", file=sys.stderr)


def lattice_axes(grid: Grid, finer: int = 1) -> list[torch.Tensor]:
    """Coordinates of a grid's voxel centres, mm from the centre of its volume, float64; ``finer`` of them a voxel.

    >>> lattice_axes(Grid((2, 1, 1), (1.0, 1.0, 1.0)), 2)[0].tolist()
    [-0.75, -0.25, 0.25, 0.75]
    """
    return [
        (torch.arange(n * finer, dtype=torch.float64) - (n * finer - 1) / 2) * (h / finer)
        for n, h in zip(grid.shape, grid.voxel_size, strict=True)
    ]
