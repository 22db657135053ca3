"""Training: a loss inside the mask, RMSprop with exponential decay (Liu & Koch 2019), resumed exactly after a kill.

On several devices (`networks.*.devices`) each rank takes its part of the batch (ranks.py); rank 0 writes.
"""

from __future__ import annotations

import csv
import io
import math
import signal
import sys
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tensorboardX import SummaryWriter
from torch import nn
from tqdm import tqdm

from qsmbench.config.networks import Network
from qsmbench.core.damage import reading
from qsmbench.core.interruption import StoppedError, stop_on
from qsmbench.core.seeds import seed_for
from qsmbench.data.atomic import atomic_path, write_text_atomic
from qsmbench.data.download import sha256_of
from qsmbench.data.store import StoredSet
from qsmbench.metrics.case import WHOLE_MASK, Case
from qsmbench.metrics.hfen import hfen
from qsmbench.networks.scaling import Scaling
from qsmbench.networks.shipped import resolve
from qsmbench.networks.start import load_start
from qsmbench.networks.tensor_file import read_tensors
from qsmbench.networks.weights import TrainedNetwork
from qsmbench.networks.wpconv import kernel_penalty
from qsmbench.training.batches import Batch, Batches, Pick, measure_scaling, split
from qsmbench.training.losses import loss_of
from qsmbench.training.prefetch import prefetch
from qsmbench.training.ranks import Ranks, join, leave

RECORD_COLUMNS = ("step", "loss", "validation_rmse", "validation_hfen", "learning_rate")


OPTIMISERS = {"rmsprop": torch.optim.RMSprop, "adam": torch.optim.Adam}


class DivergenceError(RuntimeError):
    """The loss is no longer finite."""


@dataclass
class _Run:
    """All that changes while training goes on, and so all that a checkpoint holds."""

    module: nn.Module
    parallel: nn.Module
    optimiser: torch.optim.Optimizer
    step: int = 0
    loss_sum: float = 0.0
    n_summed: int = 0
    rows: list[list[str]] = field(default_factory=list)


def train(
    store: Path, spec: Network, weights: Path, record: Path, *, device: str = "cpu", curves: Path | None = None
) -> None:
    """Train a network; write its weights and its record.

    Args:
        store: a synthetic set.
        spec: architecture and training parameters.
        weights: where to write the weights; a checkpoint lies beside it until training ends.
        record: CSV to write: step, loss (mean since the row before, in units of chi's standard deviation),
            validation_rmse and validation_hfen (%; a zero map scores 100) and learning_rate.
        device: of torch.
        curves: folder for the record's columns as TensorBoard's event files, written while training goes on.

    Raises:
        InputError: the set cannot be trained on.
        DivergenceError: the loss became NaN or infinite.
        StoppedError: SIGTERM; the checkpoint holds the step it came in.
    """
    ranks = join(spec.devices, device)
    try:
        _train(store, spec, weights, record, ranks, curves=curves if ranks.first else None)
    finally:
        leave()


def _train(store: Path, spec: Network, weights: Path, record: Path, ranks: Ranks, *, curves: Path | None) -> None:
    stored = StoredSet(store)
    kind = spec.settings
    training, validation = split(len(stored), spec.validation_fraction, spec.seed)
    options = spec.options
    start = None if spec.start is None else load_start(spec.start, spec.architecture, options)
    # A network that goes on learning keeps the units it has learned in.
    scaling = measure_scaling(stored, training) if start is None else start.scaling
    validation = validation[: spec.validation_volumes]
    batches = Batches(
        stored,
        training,
        batch_size=spec.batch_size,
        seed=spec.seed,
        scaling=scaling,
        architecture=kind,
        patch=spec.patch,
        first_map=spec.first_map,
        first_map_regularization=spec.first_map_regularization,
    )
    checkpoint = weights.with_name(weights.name + ".checkpoint")
    start_hash = "" if spec.start is None else sha256_of(resolve(spec.start))
    settings = spec.model_dump_json(exclude={"loaders"})
    identity = f"{settings} {scaling} {len(stored)} {start_hash}"
    weights.parent.mkdir(parents=True, exist_ok=True)

    torch.manual_seed(seed_for(spec.seed, "weights") % 2**63)
    n_first_maps = 0 if spec.first_map is None else len(spec.first_map_regularization) or 1
    module = (kind.module(n_first_maps) if start is None else start.module()).to(ranks.device)
    optimiser = OPTIMISERS[spec.optimiser](module.parameters(), lr=spec.learning_rate)
    run = _Run(module, ranks.parallel(module), optimiser)
    if _resume(run, checkpoint, identity, ranks.device) and ranks.first:
        print(f"resuming from step {run.step}", flush=True)  # noqa: T201

    # None: shown on a terminal alone.
    quiet = None if ranks.first else True
    steps = range(run.step, spec.steps)
    with (
        nullcontext() if curves is None else SummaryWriter(str(curves)) as board,
        stop_on(signal.SIGTERM, patient=True) as stop,
        tqdm(total=spec.steps, initial=run.step, unit="step", disable=quiet) as bar,
        prefetch(lambda step: batches.load(ranks.share(batches.at(step))), steps, spec.loaders) as loaded,
    ):
        for batch in loaded:
            stopped = _advance(run, spec, batch.to(ranks.device), batches.scaling, ranks, stop=stop.asked)
            bar.update()
            if run.step % spec.validation_steps == 0 or run.step == spec.steps:
                line = _note(run, *_validate(run.module, batches, validation, ranks))
                if ranks.first:
                    bar.write(line)
                    # To a file, which somebody may be following.
                    sys.stdout.flush()
                if board is not None:
                    for name, value in zip(RECORD_COLUMNS[1:], run.rows[-1][1:], strict=True):
                        board.add_scalar(name, float(value), run.step)
            if ranks.first and (stopped or run.step % spec.checkpoint_steps == 0):
                _save(run, checkpoint, identity)
            if stopped and run.step < spec.steps:
                # Launchers end the other ranks when one ends: all wait for the checkpoint.
                ranks.total(0.0)
                raise StoppedError(f"stopped by SIGTERM after step {run.step} of {spec.steps}")
    if not ranks.first:
        return
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([RECORD_COLUMNS, *run.rows])
    write_text_atomic(record, table.getvalue())
    summary = {
        "train_set": store.stem,
        "n_training": len(training),
        "n_validation": len(validation),
        "n_parameters": sum(p.numel() for p in module.parameters()),
        "validation_rmse": float(run.rows[-1][2]),
        "validation_hfen": float(run.rows[-1][3]),
        "start_sha256": start_hash,
    }
    state = {name: value.cpu() for name, value in module.state_dict().items()}
    TrainedNetwork(spec.architecture, options, scaling, state, summary).save(weights)
    checkpoint.unlink(missing_ok=True)


def _advance(run: _Run, spec: Network, batch: Batch, scaling: Scaling, ranks: Ranks, *, stop: bool) -> bool:
    """Take one step; return whether any rank was asked to stop, so that all stop at the same one."""
    rate = spec.learning_rate * spec.decay ** (run.step // spec.decay_steps)
    for group in run.optimiser.param_groups:
        group["lr"] = rate
    run.module.train()
    kind = torch.device(ranks.device).type
    # Float16 would need loss scaling; bfloat16 has the range of single precision.
    with torch.autocast(kind, torch.bfloat16, enabled=spec.precision == "bfloat16"):
        estimate = run.parallel(batch.inputs, batch.condition)
    loss = loss_of(spec.loss or spec.settings.own_loss, estimate.float(), batch, scaling)
    value, stopped = None, stop
    if ranks.size > 1:
        n_voxels = batch.mask.sum()
        n_all, sum_all, n_asked = ranks.total(float(n_voxels), float(loss.detach() * n_voxels), float(stop))
        # The ranks' gradients are averaged, and the loss is the sum of their parts.
        loss, value, stopped = loss * (ranks.size * n_voxels / n_all), sum_all / n_all, n_asked > 0
    run.optimiser.zero_grad(set_to_none=True)
    total: torch.Tensor = loss + spec.kernel_penalty * kernel_penalty(run.module)
    total.backward()  # type: ignore[no-untyped-call]
    if spec.gradient_clip is not None:
        torch.nn.utils.clip_grad_norm_(run.module.parameters(), spec.gradient_clip)
    run.optimiser.step()
    run.step += 1
    value = float(loss.detach()) if value is None else value
    if not math.isfinite(value):
        raise DivergenceError(f"the loss is {value} at step {run.step}; lower networks.*.learning_rate")
    run.loss_sum += value
    run.n_summed += 1
    return stopped


@torch.no_grad()
def _validate(module: nn.Module, batches: Batches, indices: list[int], ranks: Ranks) -> tuple[float, float]:
    """RMSE over all validation voxels, mean HFEN over the volumes; % of the truth's norm."""
    module.eval()
    error = norm = hfen_sum = 0.0
    for index in ranks.share(indices):
        batch = batches.load([Pick(index)]).to(ranks.device)
        estimate = module(batch.inputs, batch.condition)
        error += float(((estimate - batch.chi)[batch.mask] ** 2).sum())
        norm += float((batch.chi[batch.mask] ** 2).sum())
        found, true, mask = ((t[0, 0] * batch.mask[0, 0]).cpu().numpy() for t in (estimate, batch.chi, batch.mask))
        hfen_sum += hfen(Case.of(found, true, mask, batch.grids[0].voxel_size))[WHOLE_MASK]
    error, norm, hfen_sum = ranks.total(error, norm, hfen_sum)
    return 100 * math.sqrt(error / norm), hfen_sum / len(indices)


def _note(run: _Run, rmse: float, hfen_: float) -> str:
    loss = run.loss_sum / run.n_summed
    rate = run.optimiser.param_groups[0]["lr"]
    run.rows.append([str(run.step), f"{loss:.6g}", f"{rmse:.6g}", f"{hfen_:.6g}", f"{rate:.6g}"])
    run.loss_sum, run.n_summed = 0.0, 0
    return f"step {run.step}: loss {loss:.4f}, validation RMSE {rmse:.1f} %, HFEN {hfen_:.1f} %"


def _save(run: _Run, path: Path, identity: str) -> None:
    content = {
        "identity": identity,
        "module": run.module.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "progress": [run.step, run.loss_sum, run.n_summed],
        "rows": run.rows,
    }
    with atomic_path(path) as temporary:
        torch.save(content, temporary)


def _resume(run: _Run, path: Path, identity: str, device: str) -> bool:
    """Load a checkpoint of the very same training; any other is left aside."""
    if not path.exists():
        return False
    what, advice = "a checkpoint", "delete it to train from the start"
    content = read_tensors(path, what, advice, device=device)
    if content.get("identity") != identity:
        return False
    with reading(path, what, advice):
        run.module.load_state_dict(content["module"])
        run.optimiser.load_state_dict(content["optimiser"])
        run.step, run.loss_sum, run.n_summed = content["progress"]
        run.rows = content["rows"]
    return True
