"""All that changes while a live training goes on: weights, their average, optimizer, course; and one step of it."""

from __future__ import annotations

import copy
import math
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from qsmbench.core.damage import reading
from qsmbench.core.errors import InputError
from qsmbench.core.seeds import seed_for
from qsmbench.networks.network_file import card_hash, read_network, write_network
from qsmbench.networks.scaling import Scaling
from qsmbench.networks.shipped import FOLDER, resolve
from qsmbench.networks.snapshot import load_snapshot, save_snapshot
from qsmbench.networks.unet import UNet
from qsmbench.networks.wpconv import kernel_penalty
from qsmbench.training.live.group import Group
from qsmbench.training.live.loss import live_loss
from qsmbench.training.live.network import conditions, new_network
from qsmbench.training.live.pool import Patches, scaled
from qsmbench.training.live.settings import LiveTraining

# A validation looks at the middle of each window, so that it takes seconds.
_LOOK = (112, 112, 64)


@dataclass
class LiveState:
    """A training at some step; made by :meth:`start`."""

    spec: LiveTraining
    path: Path
    device: str
    module: UNet
    averaged: UNet
    optimizer: torch.optim.Optimizer
    scaling: Scaling
    step: int = 0
    cpu_hours: float = 0.0
    loss_sum: float = 0.0
    n_summed: int = 0
    rows: list[list[str]] = field(default_factory=list)
    loop: bool = True

    @classmethod
    def start(cls, spec: LiveTraining, folder: Path, device: str) -> LiveState:
        """Begin, or go on from the folder's checkpoint.

        Raises:
            InputError: the checkpoint is damaged or of a network of another kind.
        """
        torch.manual_seed(seed_for(spec.samples.seed, spec.name, "weights") % 2**63)
        module = new_network(spec.architecture, spec.options, spec.samples.n_first_maps).to(device)
        if torch.device(device).type == "cpu":
            # Twice as fast with few channels; on a GPU cuDNN chooses.
            module = module.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        averaged = copy.deepcopy(module).eval()
        folder.mkdir(parents=True, exist_ok=True)
        state = cls(
            spec, folder / f"{spec.name}.checkpoint", device, module, averaged, _optimizer(spec, module), _scaling(spec)
        )
        if state.path.exists():
            state._resume()
        elif spec.start:
            state._begin_with(spec.start)
        return state

    def rate(self) -> float:
        """Learning rate of the present step: a linear rise, then a cosine down to a hundredth."""
        spec = self.spec
        if self.step < spec.warm_up:
            return spec.learning_rate * (self.step + 1) / spec.warm_up
        share = min(1.0, (self.step - spec.warm_up) / max(1, spec.steps - spec.warm_up))
        return spec.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))

    def advance(self, batch: list[Patches]) -> float:
        """Take one step on patches, an item a voxel size; return its loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate()
        self.module.train()
        if self.step >= self.spec.freeze_norm * self.spec.steps:
            self._freeze_norms()
        self.optimizer.zero_grad(set_to_none=True)
        loss = self._backward(batch)
        penalty = self.spec.kernel_penalty * kernel_penalty(self.module)
        if isinstance(penalty, torch.Tensor):
            penalty.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.module.parameters(), self.spec.gradient_clip)
        if math.isfinite(loss):
            self.optimizer.step()
        self.step += 1
        self._average()
        self.loss_sum, self.n_summed = self.loss_sum + loss, self.n_summed + 1
        return loss

    def _freeze_norms(self) -> None:
        """Normalise with the averaged statistics from now on, in training as when the network is applied.

        A batch is of one voxel size and of few patches: its statistics are those of no other, and running means of
        them suit none.
        """
        for kept, norm in zip(self.averaged.modules(), self.module.modules(), strict=True):
            if isinstance(norm, torch.nn.BatchNorm3d) and isinstance(kept, torch.nn.BatchNorm3d):
                norm.load_state_dict(dict(norm.named_parameters()) | dict(kept.named_buffers()))
                norm.eval()

    def _backward(self, batch: list[Patches]) -> float:
        spec, n = self.spec, len(batch)
        if not self.loop and n > 1:
            sizes = torch.cat([p.voxel_size.expand(len(p.inputs), 3) for p in batch])
            joined = self._estimate(self.module, torch.cat([p.inputs for p in batch]), sizes)
            parts = torch.split(joined, [len(p.inputs) for p in batch])
            losses = [live_loss(e, p, spec.loss, spec.knee) for e, p in zip(parts, batch, strict=True)]
            loss = torch.stack(losses).mean()
            loss.backward()  # type: ignore[no-untyped-call]
            return float(loss.detach())
        total = 0.0
        for patches in batch:
            estimate = self._estimate(self.module, patches.inputs, patches.voxel_size)
            loss = live_loss(estimate, patches, spec.loss, spec.knee) / n
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        return total

    def _estimate(self, module: UNet, inputs: torch.Tensor, voxel_size: torch.Tensor) -> torch.Tensor:
        kind = torch.device(self.device).type
        if kind == "cpu":
            inputs = inputs.contiguous(memory_format=torch.channels_last_3d)
        half = torch.autocast(kind, torch.bfloat16) if self.spec.precision == "bfloat16" else nullcontext()
        with half:
            estimate: torch.Tensor = module(inputs, conditions(self.spec.architecture, self.scaling, voxel_size))
        return estimate.float()

    @torch.no_grad()
    def _average(self) -> None:
        """Exponential average of weights and of batch statistics; a short memory at first."""
        keep = min(self.spec.ema, (1 + self.step) / (10 + self.step))
        pairs = list(zip(self.averaged.state_dict().values(), self.module.state_dict().values(), strict=True))
        real = [(kept, now) for kept, now in pairs if kept.is_floating_point()]
        torch._foreach_lerp_([kept for kept, _ in real], [now for _, now in real], 1 - keep)
        for kept, now in pairs:
            if not kept.is_floating_point():
                kept.copy_(now)

    @torch.no_grad()
    def validate(self, groups: list[Group]) -> float:
        """Mean over samples of the demeaned error of the averaged network, % of the truth's SD, in the masks."""
        errors = []
        for group in groups:
            box = tuple(
                slice((n - m) // 2, (n - m) // 2 + m)
                for n, m in ((n, min(n, m)) for n, m in zip(group.field.shape[1:], _LOOK, strict=True))
            )
            for number, scale in enumerate(group.scale):
                chi, mask = (v[number][box][None, None] for v in (group.chi, group.mask))
                inputs = scaled(group.channels(number)[:, *box][None], scale, self.spec.chi_ratio)
                if not bool(mask.any()):
                    continue
                sizes = torch.tensor([group.voxel_size], device=chi.device)
                unit = scale * self.spec.chi_ratio
                found = self._estimate(self.averaged, inputs, sizes) * unit
                lacks, true = (found - chi)[mask], chi[mask]
                errors.append(float((lacks - lacks.mean()).norm() / (true - true.mean()).norm()))
        return 100 * sum(errors) / max(1, len(errors))

    def mean_loss(self) -> float:
        """Mean loss since the last call."""
        mean = self.loss_sum / max(1, self.n_summed)
        self.loss_sum, self.n_summed = 0.0, 0
        return mean

    def choose_convolution(self) -> None:
        """Time a step with the groups' convolutions in one, and one after another; keep the faster."""
        if self.spec.groups_a_step == 1:
            return
        shape = (self.spec.group, 1, *self.spec.patch(self.step))
        size = torch.tensor([self.spec.samples.voxel_min], device=self.device)
        chi = torch.randn(shape, device=self.device)
        inputs = chi.expand(-1, 1 + self.spec.samples.n_first_maps, -1, -1, -1)
        batch = [Patches(inputs, chi, chi > -1, size)] * self.spec.groups_a_step
        spent = {}
        kept = copy.deepcopy(self.module.state_dict())
        for loop in (True, False, True, False):
            self.loop = loop
            began = time.perf_counter()
            self._backward(batch)
            if torch.device(self.device).type == "cuda":
                torch.cuda.synchronize()
            spent[loop] = time.perf_counter() - began
        self.module.load_state_dict(kept)
        self.loop = spent[True] <= spent[False]

    def export(self, path: Path, precision: Literal["float32", "float16"] = "float32") -> None:
        """Write the averaged weights as a network that `qsmbench reconstruct` takes."""
        record = {
            "n_parameters": sum(p.numel() for p in self.averaged.parameters()),
            "steps": self.step,
            "cpu_hours": round(self.cpu_hours, 3),
            "course": self.rows,
        }
        weights = {name: value.detach().cpu().contiguous() for name, value in self.averaged.state_dict().items()}
        write_network(
            path,
            architecture=self.spec.architecture,
            options=dict(self.spec.options) | self.spec.samples.first_map_options,
            scaling=self.scaling,
            state=weights,
            record=record,
            precision=precision,
        )

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        save_snapshot(
            self.path,
            {
                "identity": _identity(self.spec),
                "module": self.module.state_dict(),
                "averaged": self.averaged.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "progress": [self.step, self.cpu_hours, self.loss_sum, self.n_summed],
                "rows": self.rows,
            },
        )

    def _begin_with(self, weights: str) -> None:
        """Take the weights of a network of the same kind; optimizer and rate begin anew.

        Raises:
            InputError: another architecture, or other settings of it.
        """
        path = resolve(weights)
        content = read_network(path, card_hash(path) if path.parent == FOLDER else None)
        wanted = dict(self.spec.options) | self.spec.samples.first_map_options
        if content["architecture"] != self.spec.architecture or content["options"] != wanted:
            raise InputError(
                f"start: {weights} is of {content['architecture']} {content['options']}, not of "
                f"{self.spec.architecture} {wanted}"
            )
        for module in (self.module, self.averaged):
            module.load_state_dict(content["state"])

    def _resume(self) -> None:
        content = load_snapshot(self.path, "the checkpoint", self.device)
        if content.get("identity") != _identity(self.spec):
            raise InputError(
                f"checkpoint {self.path} is of another network ({content.get('identity')}); give another folder or name"
            )
        with reading(self.path, "a checkpoint", "give another folder or name"):
            self.module.load_state_dict(content["module"])
            self.averaged.load_state_dict(content["averaged"])
            self.optimizer.load_state_dict(content["optimizer"])
            self.step, self.cpu_hours, self.loss_sum, self.n_summed = content["progress"]
            self.rows = content["rows"]


def _optimizer(spec: LiveTraining, module: UNet) -> torch.optim.Optimizer:
    if spec.optimizer == "rmsprop":
        return torch.optim.RMSprop(module.parameters(), lr=spec.learning_rate)
    return torch.optim.AdamW(module.parameters(), lr=spec.learning_rate, weight_decay=spec.weight_decay)


def _scaling(spec: LiveTraining) -> Scaling:
    low, high = (torch.tensor(v, dtype=torch.float64).log() for v in (spec.samples.voxel_min, spec.samples.voxel_max))
    (a, b, c), (d, e, f) = ((low + high) / 2).tolist(), ((high - low) / 2).tolist()
    return Scaling(1.0, spec.chi_ratio, (a, b, c), (d, e, f), by_scan=True)


def _identity(spec: LiveTraining) -> str:
    """What must be the same for a checkpoint to be gone on from; recipes, rates and lengths may change on the way."""
    options: dict[str, Any] = {key: spec.options[key] for key in sorted(spec.options)}
    low, high = spec.samples.voxel_min, spec.samples.voxel_max
    first = spec.samples.first_map_options
    return f"{spec.architecture} {options | first} {spec.optimizer} {spec.chi_ratio} {low} {high}"
