"""The networks of a configuration: how each is trained, and the settings of its architecture beside that."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveFloat, SerializeAsAny, create_model, model_validator

from qsmbench.core.errors import InputError
from qsmbench.core.section import Name, Section
from qsmbench.networks.architectures import ARCHITECTURES, architecture
from qsmbench.networks.contract import Architecture, Loss


class Network(Section):
    """A network and its training; the settings of its architecture stand beside these keys."""

    architecture: str = Field("meta-qsm", description="which network (docs/networks.md)")
    train_set: Name = Field(description="the synthetic set it learns from")
    first_map: Literal["l2", "tv", "wiener"] | None = Field(
        None,
        description="map of a method without training that the network is given beside the field, and corrects; the "
        "papers' networks see the field alone",
    )
    first_map_regularization: tuple[PositiveFloat, ...] = Field(
        (),
        description="of that method, one channel for each (the network corrects their mean); by default its own",
    )
    patch: tuple[int, int, int] | None = Field(
        None, description="voxels cut at a random place from each sample of a step; by default the whole sample"
    )
    start: str | None = Field(
        None, description="weights that training goes on from: a file, or shipped:NAME; by default random ones"
    )
    loss: Loss | None = Field(
        None, description="what is made small inside the masks; by default what the architecture's authors used"
    )
    optimiser: Literal["rmsprop", "adam"] = Field("rmsprop", description="RMSprop as in Meta-QSM and QSMnet, or Adam")
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="of the convolutions in training; bfloat16 is mixed precision, for GPUs that have it"
    )
    gradient_clip: float | None = Field(None, gt=0, description="largest norm of a step's gradient; by default any")
    steps: int = Field(gt=0, description="optimiser steps")
    batch_size: int = Field(4, gt=0, description="samples a step (Meta-QSM: 4)")
    learning_rate: float = Field(1e-4, gt=0, description="of RMSprop (Meta-QSM: 1e-4)")
    decay: float = Field(0.98, gt=0, le=1, description="factor on the learning rate every `decay_steps` (exponential)")
    decay_steps: int = Field(200, gt=0, description="steps between decays (Meta-QSM: 200)")
    kernel_penalty: float = Field(
        0.01, ge=0, description="L2 on the weight-prediction layers, times the mean of their squared weights"
    )
    validation_fraction: float = Field(0.1, gt=0, lt=1, description="share of the set held out (Meta-QSM: 9:1)")
    validation_volumes: int = Field(
        16, gt=0, description="whole volumes of the held-out share that a validation looks at"
    )
    validation_steps: int = Field(50, gt=0, description="steps between validations")
    checkpoint_steps: int = Field(50, gt=0, description="steps between checkpoints")
    seed: int = Field(0, description="of the initial weights, the split and the order of samples")
    threads: int = Field(1, gt=0, description="CPU threads; part of what determines the numbers on a CPU")
    loaders: int = Field(
        1, ge=0, description="threads that read the next batches meanwhile; they do not change the numbers"
    )
    devices: int = Field(
        1,
        gt=0,
        description="GPUs (or CPU processes) that share each step's batch; part of what determines the numbers, since "
        "each normalises its own part",
    )

    @model_validator(mode="after")
    def _a_sample_for_each_device(self) -> Network:
        if self.devices > self.batch_size:
            raise ValueError(f"devices: {self.devices} cannot share a batch of {self.batch_size}")
        return self

    @model_validator(mode="after")
    def _regularization_of_a_first_map(self) -> Network:
        if self.first_map_regularization and self.first_map is None:
            raise ValueError("first_map_regularization: there is no first_map; name its method, or leave this out")
        return self

    @property
    def settings(self) -> Architecture:
        """The architecture with its settings."""
        names = ARCHITECTURES.find(self.architecture).settings.model_fields
        return architecture(self.architecture, {name: getattr(self, name) for name in names})

    @property
    def options(self) -> dict[str, Any]:
        """What its weights file says of it: the settings of the architecture, and the first maps if it has any."""
        options = self.settings.model_dump(mode="json")
        if self.first_map is not None:
            options["first_map"] = self.first_map
        if self.first_map_regularization:
            options["first_map_regularization"] = list(self.first_map_regularization)
        return options


class GivenNetwork(Section):
    """A network that was trained elsewhere, used as it is."""

    weights: str = Field(description="in place of all the above: weights to use as they are; a file, or shipped:NAME")


@cache
def network_model(name: str) -> type[Network]:
    """Return the section of a network of one architecture: the keys of its training and those of its settings.

    Raises:
        InputError: an unknown architecture, or one whose settings have the name of a key of the training.
    """
    fields = ARCHITECTURES.find(name).settings.model_fields
    if taken := sorted(set(fields) & set(Network.model_fields)):
        raise InputError(f"architecture {name}: a setting must not be called {taken[0]}, as a key of the training is")
    settings: dict[str, Any] = {key: (info.annotation, info) for key, info in fields.items()}
    return create_model(f"{name} network", __base__=Network, **settings)


def section_of(value: Mapping[str, Any]) -> type[Network | GivenNetwork]:
    """Return the section that describes a network: given weights, or one of its architecture.

    Raises:
        InputError: as :func:`network_model`.
    """
    return GivenNetwork if "weights" in value else network_model(str(value.get("architecture", "meta-qsm")))


def read_network(value: Any) -> Any:
    """Read a network's section; what is read already, and what is no section, stays as it is."""
    return section_of(value).model_validate(value) if isinstance(value, dict) else value


AnyNetwork = Annotated[SerializeAsAny[Network] | GivenNetwork, BeforeValidator(read_network)]
