"""Settings of a live training, read from YAML: the network, its samples, and how it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from qsmbench.core.damage import quoted, reading
from qsmbench.core.errors import InputError
from qsmbench.core.yaml_text import read_mapping
from qsmbench.training.live.recipe import LiveSet, recipes_from

# Settings of the samples that stand beside those of the training.
COMMON = ("voxel_min", "voxel_max", "window", "guard", "seed", "first_map", "first_map_regularization")


@dataclass(frozen=True)
class LiveTraining:
    """One network's training.

    Attributes:
        name: of its files.
        architecture: of `qsmbench.networks.architectures`.
        options: of the architecture's module (channels, levels, hidden, head).
        samples: what its samples are made by.
        validation: mixtures by name, one fixed set of samples each.
        validation_groups: groups of two samples in each of them.
        group: samples that share a voxel size; a patch of each makes a step's batch.
        groups_a_step: of different voxel sizes, whose gradients are added.
        pool: groups held in memory, from which steps draw.
        steps_a_group: steps after which the pool's oldest group makes room for a new one.
        patches: sizes in voxels, each with the share of the training from which on it holds.
        steps: of the whole training; the learning rate follows a cosine down to a hundredth by then.
        optimizer: adamw, or rmsprop (the paper's, Liu & Koch 2019).
        learning_rate: its largest.
        warm_up: steps over which it rises.
        weight_decay: of AdamW.
        kernel_penalty: factor on the mean squared weight of the weight-prediction layers.
        freeze_norm: share of the training from which on batch normalisation keeps its averaged statistics; 1: never.
        ema: how much of the averaged weights a step keeps.
        gradient_clip: largest norm of the gradient.
        loss: huber (squared error of tissue, absolute error of what is larger) or l1 (the paper's).
        knee: chi in units of chi's scale from which on a voxel's error counts in proportion to its chi; 0: never.
        chi_ratio: chi's scale over the field's.
        precision: float32, or bfloat16 where the device has units for it.
        convolution: grouped (the groups of a step in one convolution), loop, or auto: the faster in a short test.
        start: weights that a training without a checkpoint goes on from, a file or shipped:NAME; empty: random ones.
        checkpoint_minutes: time between checkpoints.
        validation_steps: steps between validations.
    """

    name: str
    architecture: str = "meta-qsm"
    options: Mapping[str, Any] = field(default_factory=lambda: {"channels": 8, "levels": 4, "hidden": [32, 4]})
    samples: LiveSet = field(default_factory=LiveSet)
    validation: Mapping[str, LiveSet] = field(default_factory=dict)
    validation_groups: int = 3
    group: int = 4
    groups_a_step: int = 1
    pool: int = 6
    steps_a_group: int = 16
    patches: tuple[tuple[float, tuple[int, int, int]], ...] = ((0.0, (64, 64, 32)),)
    steps: int = 20000
    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    warm_up: int = 200
    weight_decay: float = 1e-4
    kernel_penalty: float = 0.01
    freeze_norm: float = 0.2
    ema: float = 0.999
    gradient_clip: float = 1.0
    loss: str = "huber"
    knee: float = 4.0
    chi_ratio: float = 4.0
    precision: str = "float32"
    convolution: str = "auto"
    start: str = ""
    checkpoint_minutes: float = 5.0
    validation_steps: int = 250

    def patch(self, step: int) -> tuple[int, int, int]:
        """Size of the patches of a step."""
        return [size for share, size in self.patches if share * self.steps <= step][-1]


def read_settings(path: Path) -> LiveTraining:
    """Read a file.

    Raises:
        InputError: not a mapping, or with a key or value that is none of a training's.
    """
    values = read_mapping(path, "training")
    with reading(path, "settings of a training", "correct it"):
        return _settings(path, values)


def _settings(path: Path, values: dict[str, Any]) -> LiveTraining:
    mixture = values.pop("recipes", {"measured-like": 1.0})
    common = {key: values.pop(key) for key in COMMON if key in values}
    common = {key: tuple(v) if isinstance(v, list) else v for key, v in common.items()}
    values["samples"] = LiveSet(recipes_from(mixture), **common)
    seed = common.get("seed", LiveSet.seed)
    validation = {"measured-like": {"measured-like": 1.0}, "noisy": {"noisy": 1.0}}
    values["validation"] = {
        # Far from any number that a training reaches.
        name: LiveSet(recipes_from(mix), **(common | {"seed": seed + 1_000_003}))
        for name, mix in values.pop("validation", validation).items()
    }
    if "patches" in values:
        values["patches"] = tuple((float(share), tuple(size)) for share, size in values["patches"])
    known = {f.name: f for f in fields(LiveTraining)}
    for key, value in values.items():
        if key not in known:
            raise InputError(f"{path}: {quoted(key)} is no setting of a training; known: {', '.join(sorted(known))}")
        kind = str(known[key].type)
        if kind in {"int", "float"} and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise InputError(f"{path}: {key} must be a number, got {quoted(value)}")
    return _checked(path, LiveTraining(**values))


def _checked(path: Path, spec: LiveTraining) -> LiveTraining:
    choices = {
        "optimizer": ("adamw", "rmsprop"),
        "loss": ("huber", "l1"),
        "precision": ("float32", "bfloat16"),
        "convolution": ("auto", "grouped", "loop"),
    }
    for key, allowed in choices.items():
        if getattr(spec, key) not in allowed:
            raise InputError(f"{path}: {key} must be one of {', '.join(allowed)}, got {quoted(getattr(spec, key))}")
    for key in ("group", "groups_a_step", "pool", "steps_a_group", "steps", "validation_steps"):
        if getattr(spec, key) < 1:
            raise InputError(f"{path}: {key} must be at least 1, got {getattr(spec, key)}")
    if spec.groups_a_step > spec.pool:
        raise InputError(f"{path}: groups_a_step {spec.groups_a_step} exceeds the pool of {spec.pool}")
    if not spec.patches or spec.patches[0][0] != 0:
        raise InputError(f"{path}: patches must begin with the share 0, got {spec.patches}")
    return spec
