"""A trained network as one file: architecture, weights and the scaling it was trained with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from qsmbench.core.damage import reading, shown
from qsmbench.core.errors import InputError
from qsmbench.networks.architectures import architecture
from qsmbench.networks.contract import Architecture
from qsmbench.networks.network_file import card_hash, read_network, verified, write_network
from qsmbench.networks.scaling import Scaling
from qsmbench.networks.shipped import FOLDER, resolve

# Of the options, what says which first maps come with the field.
INPUT = ("first_map", "first_map_regularization")


_Plain = bool | int | Annotated[float, Field(allow_inf_nan=False)] | Annotated[str, Field(max_length=300)] | None
_Few = Field(max_length=64)
_Positive = Annotated[float, Field(gt=0, lt=1e6)]
_Log = Annotated[float, Field(ge=-20, le=20)]


class _ScalingOfFile(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    field_std: _Positive
    chi_std: _Positive
    voxel_centre: tuple[_Log, _Log, _Log]
    voxel_halfwidth: tuple[_Log, _Log, _Log]
    by_scan: bool = False


class _FileContent(BaseModel):
    """What a weights file may hold, whoever wrote it."""

    model_config = ConfigDict(strict=True)

    architecture: str = Field(max_length=300)
    options: Annotated[dict[str, _Plain | Annotated[list[_Plain] | tuple[_Plain, ...], _Few]], _Few]
    scaling: Annotated[_ScalingOfFile, Field(strict=False)]
    state: dict[str, Any]
    record: dict[str, Any]

    @model_validator(mode="after")
    def _holds_tensors_and_first_maps(self) -> _FileContent:
        if not all(isinstance(value, torch.Tensor) for value in self.state.values()):
            raise ValueError("state holds something else than tensors")
        given = self.options.get("first_map_regularization", ())
        if not isinstance(given, list | tuple) or not isinstance(self.options.get("first_map", ""), str | None):
            raise ValueError("options: first_map is a name and first_map_regularization a list")
        return self


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
        return architecture(self.architecture, {k: v for k, v in self.options.items() if k not in INPUT})

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
        self._check_shapes()
        for key, value in self.state.items():
            if key.endswith("num_batches_tracked") and value.dtype == torch.int64:
                continue
            if not value.is_floating_point():
                raise InputError(
                    f"{name}: {key} holds {value.dtype}, not real numbers; save them as float32 or float16"
                )
            if not bool(torch.isfinite(value.float()).all()):
                raise InputError(
                    f"{name}: {key} holds NaN or infinite values; the training diverged, use other weights"
                )
        module = self.kind.module(self.n_first_maps)
        with reading(name, advice="use other weights"):
            module.load_state_dict(self.state)
        layers = wpconv_layers(module)
        if layers and not any(bool(layer.predictor[0].weight.any()) for layer in layers):
            raise InputError(f"{name}: every WP-Conv input is zero, so that the voxel size has no effect; train again")
        return module.to(device).eval()

    def _check_shapes(self) -> None:
        """Compare the weights with the architecture's before memory is taken for either."""
        with reading(f"weights of {self.architecture}", advice="use other weights"), torch.device("meta"):
            expected = {key: value.shape for key, value in self.kind.module(self.n_first_maps).state_dict().items()}
        found = {key: value.shape for key, value in self.state.items()}
        plain = all(v.layout is torch.strided and not v.is_meta and not v.is_quantized for v in self.state.values())
        if found != expected or not plain:
            raise InputError(
                f"weights do not fit the architecture {self.architecture} {shown(str(self.options))[:300]}"
            )

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
    try:
        checked = _FileContent.model_validate({key: value for key, value in content.items() if key != "format"})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = shown(".".join(str(part) for part in first["loc"]))[:80]
        raise InputError(f"weights file {path}, {where}: {first['msg']}; train or fetch it again") from error
    if expected is not None and checked.architecture != expected:
        of = shown(checked.architecture)
        raise InputError(f"weights file {path} is of {of}, not of {expected}; give the right one")
    scaling = Scaling(**checked.scaling.model_dump())
    return TrainedNetwork(checked.architecture, checked.options, scaling, checked.state, checked.record)
