"""A trained network as one file: architecture, weights and the scaling it was trained with."""

from __future__ import annotations

import io
import pickle
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from qsmbench.core.errors import InputError
from qsmbench.data.atomic import atomic_path
from qsmbench.networks.meta_qsm import MetaQSM

FORMAT = "qsmbench-network-1"


@dataclass(frozen=True)
class Scaling:
    """How volumes and voxel sizes are brought to the network's range.

    Attributes:
        field_std: standard deviation of the local field inside the masks of the training set, ppm.
        chi_std: the same of chi.
        voxel_centre: middle of the trained range of log(voxel size / mm), three values.
        voxel_halfwidth: half its width (1 where the range is a point).
    """

    field_std: float
    chi_std: float
    voxel_centre: tuple[float, float, float]
    voxel_halfwidth: tuple[float, float, float]

    def voxel_size(self, voxel_size: torch.Tensor) -> torch.Tensor:
        """Normalise voxel sizes (..., 3) in mm to [-1, 1] over the trained range, on a logarithmic scale."""
        centre, halfwidth = (
            torch.tensor(v, dtype=torch.float32, device=voxel_size.device)
            for v in (self.voxel_centre, self.voxel_halfwidth)
        )
        return (voxel_size.to(torch.float32).log() - centre) / halfwidth


@dataclass(frozen=True)
class TrainedNetwork:
    """A network with its weights, ready to be applied or saved."""

    architecture: str
    options: dict[str, Any]
    scaling: Scaling
    state: dict[str, torch.Tensor]
    record: dict[str, Any] = field(default_factory=dict)

    def module(self, device: torch.device | str = "cpu") -> MetaQSM:
        """Return the network in evaluation mode on ``device``.

        Raises:
            InputError: the weights do not belong to this architecture.
        """
        module = new_module(self.architecture, self.options)
        try:
            module.load_state_dict(self.state)
        except RuntimeError as error:
            raise InputError(f"weights do not fit the architecture {self.architecture} {self.options}") from error
        return module.to(device).eval()

    def save(self, path: Path) -> None:
        """Write the file, atomically."""
        content = {
            "format": FORMAT,
            "architecture": self.architecture,
            "options": self.options,
            "scaling": asdict(self.scaling),
            "state": self.state,
            "record": self.record,
        }
        # Through memory: torch writes a file's name into it, and the temporary name would change the bytes.
        buffer = io.BytesIO()
        torch.save(content, buffer)
        with atomic_path(path) as temporary:
            temporary.write_bytes(buffer.getvalue())


def new_module(architecture: str, options: dict[str, Any]) -> MetaQSM:
    """Make a network of an architecture with fresh weights."""
    if architecture != "meta-qsm":
        raise InputError(f"unknown architecture '{architecture}'; known: meta-qsm")
    return MetaQSM(**options)


def load_network(path: Path) -> TrainedNetwork:
    """Read a weights file.

    Raises:
        InputError: missing, damaged or not a qsmbench network.
    """
    if not path.is_file():
        raise InputError(f"weights file {path} does not exist; train it or name another with --weights")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, ValueError) as error:
        raise InputError(f"weights file {path} is damaged or not a torch file; train or fetch it again") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"weights file {path} is no qsmbench network (expected format {FORMAT})")
    scaling = content["scaling"]
    return TrainedNetwork(
        content["architecture"],
        content["options"],
        Scaling(
            scaling["field_std"], scaling["chi_std"], tuple(scaling["voxel_centre"]), tuple(scaling["voxel_halfwidth"])
        ),
        content["state"],
        content["record"],
    )
