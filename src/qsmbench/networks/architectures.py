"""The list of architectures: one line each, imported when used; each is a method and a choice of the configuration.

To add one: a file in this folder with a class derived from `qsmbench.networks.contract.Architecture`, one line here. An
architecture of another distribution is a `NetworkEntry` behind an entry point of the group ``qsmbench.architectures``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from qsmbench.core.damage import quoted, shown
from qsmbench.core.errors import InputError
from qsmbench.core.registry import Registry, load

if TYPE_CHECKING:
    from qsmbench.networks.contract import Architecture


@dataclass(frozen=True)
class NetworkEntry:
    """A registered architecture: what lists show, and where it is.

    Attributes:
        name: as in the configuration and, as a method, on the command line.
        label: as in tables.
        target: its class, as "package.module:Class".
        doi: of the paper it implements.
    """

    name: str
    label: str
    target: str
    doi: str

    @property
    def settings(self) -> type[Architecture]:
        """The class, imported.

        Raises:
            InputError: its module or name does not exist.
        """
        try:
            settings: type[Architecture] = load(self.target)
        except (ImportError, AttributeError) as error:
            raise InputError(f"architecture {self.name} ({self.target}) cannot be imported: {error}") from error
        return settings


_UNETS = "qsmbench.networks.unets"
_LIU = "10.48550/arXiv.1908.00206"
ARCHITECTURES: Registry[NetworkEntry] = Registry(
    "architecture",
    "qsmbench.architectures",
    (
        NetworkEntry("meta-qsm", "Meta-QSM", f"{_UNETS}:MetaQSM", _LIU),
        NetworkEntry("meta-qsm-b0", "Meta-QSM (B0)", f"{_UNETS}:MetaQSMB0", _LIU),
        NetworkEntry("mesa-qsm", "Mesa-QSM", f"{_UNETS}:MesaQSM", _LIU),
        NetworkEntry("qsmnet", "QSMnet", f"{_UNETS}:QSMnet", "10.1016/j.neuroimage.2018.06.030"),
        NetworkEntry("deepqsm", "DeepQSM", f"{_UNETS}:DeepQSM", "10.1016/j.neuroimage.2019.03.060"),
    ),
)


def architecture(name: str, settings: Mapping[str, Any] | None = None) -> Architecture:
    """Return an architecture with its settings; those left out have their defaults.

    Raises:
        InputError: an unknown name, with the nearest known one; a setting that it does not have, or a wrong value.
    """
    kind = ARCHITECTURES.find(name).settings
    try:
        return kind.model_validate(dict(settings or {}))
    except ValidationError as error:
        first = error.errors()[0]
        where = shown(".".join(str(part) for part in first["loc"]))[:80]
        raise InputError(f"network {name}, {where}: {first['msg']}, got {quoted(first['input'])}") from error
