"""A trained network as one file: architecture, weights and the scaling it was trained with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from qsmbench.core.errors import InputError
from qsmbench.networks.architectures import architecture
from qsmbench.networks.contract import Architecture
from qsmbench.networks.network_file import card_hash, read_network, verified, write_network
from qsmbench.networks.scaling import Scaling
from qsmbench.networks.shipped import FOLDER, resolve

# Of the options, what says which first maps come with the field.
_INPUT = ("first_map", "first_map_regularization")


@dataclass(frozen=True)
class TrainedNetwork:
    """A network with its weights, ready to be applied or saved.

    Attributes:
        architecture: its name.
        options: settings of the architecture, and first_map and first_map_regularization of a network that corrects
            first maps (`qsmbench.methods.network_input`).
        scaling: what it was trained with.
        state: weights.
        record: of the training.
    """

    architecture: str
    options: dict[str, Any]
    scaling: Scaling
    state: dict[str, torch.Tensor]
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> Architecture:
        """The architecture with its settings.

        Raises:
            InputError: it is not known, or has no such settings.
        """
        return architecture(self.architecture, {k: v for k, v in self.options.items() if k not in _INPUT})

    @property
    def n_first_maps(self) -> int:
        """How many first maps it corrects."""
        if self.options.get("first_map") is None:
            return 0
        return len(self.options.get("first_map_regularization", ())) or 1

    def module(self, device: torch.device | str = "cpu") -> torch.nn.Module:
        """Return the network in single precision and evaluation mode on ``device``.

        Raises:
            InputError: the weights do not belong to this architecture, are not finite numbers, or ignore the voxel
                size that the architecture is told.
        """
        from qsmbench.networks.wpconv import wpconv_layers

        name = f"weights of {self.architecture}"
        module = self.kind.module(self.n_first_maps)
        for key, value in self.state.items():
            if key.endswith("num_batches_tracked"):
                continue
            if not value.is_floating_point():
                raise InputError(
                    f"{name}: {key} holds {value.dtype}, not real numbers; save them as float32 or float16"
                )
            if not bool(torch.isfinite(value).all()):
                raise InputError(
                    f"{name}: {key} holds NaN or infinite values; the training diverged, use other weights"
                )
        try:
            module.load_state_dict(self.state)
        except RuntimeError as error:
            raise InputError(f"weights do not fit the architecture {self.architecture} {self.options}") from error
        layers = wpconv_layers(module)
        if layers and not any(bool(layer.predictor[0].weight.any()) for layer in layers):
            raise InputError(f"{name}: every WP-Conv input is zero, so that the voxel size has no effect; train again")
        return module.to(device).eval()

    def save(self, path: Path, precision: Literal["float32", "float16"] = "float32") -> None:
        """Write the file, atomically; half precision is for shipping, it is read back in single precision."""
        write_network(
            path,
            architecture=self.architecture,
            options=self.options,
            scaling=self.scaling,
            state=self.state,
            record=self.record,
            precision=precision,
        )


def check_network(weights: str | Path) -> None:
    """Raise what `load_network` would; the bytes of shipped weights are compared with their card, without torch."""
    path = resolve(weights)
    if path.parent == FOLDER:
        verified(path, card_hash(path))
    else:
        load_network(path)


def load_network(weights: str | Path, expected: str | None = None) -> TrainedNetwork:
    """Read a weights file.

    Args:
        weights: the file, or shipped:NAME.
        expected: architecture that it must be of.

    Raises:
        InputError: missing, damaged, not a qsmbench network, one of another architecture, or shipped weights that are
            not those of their card.
    """
    path = resolve(weights)
    # Shipped weights are those of their card or none.
    content = read_network(path, card_hash(path) if path.parent == FOLDER else None)
    if expected is not None and content["architecture"] != expected:
        raise InputError(f"weights file {path} is of {content['architecture']}, not of {expected}; give the right one")
    scaling = content["scaling"]
    return TrainedNetwork(
        content["architecture"],
        content["options"],
        Scaling(
            scaling["field_std"],
            scaling["chi_std"],
            tuple(scaling["voxel_centre"]),
            tuple(scaling["voxel_halfwidth"]),
            bool(scaling.get("by_scan", False)),
        ),
        content["state"],
        content["record"],
    )
