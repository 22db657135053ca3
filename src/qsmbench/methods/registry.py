"""The list of methods: one line each, built by name with options checked."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from qsmbench.core.errors import InputError
from qsmbench.methods.contract import Method
from qsmbench.methods.dip import DIP
from qsmbench.methods.ilsqr import ILSQR
from qsmbench.methods.inr import INRQSM
from qsmbench.methods.l2 import L2
from qsmbench.methods.medi import MEDI
from qsmbench.methods.network import DeepQSM, MesaQSM, MetaQSM, MetaQSMB0, QSMnet
from qsmbench.methods.rts import RTS
from qsmbench.methods.tkd import TKD
from qsmbench.methods.tv import TV
from qsmbench.networks.shipped import PREFIX, shipped


@dataclass(frozen=True)
class Entry:
    """A registered method.

    Attributes:
        name: as on the command line and in the config.
        label: as in tables.
        method: the dataclass.
        doi: of the paper it implements.
        linear: whether chi is linear in the local field (contract tests hold it to that).
        wants_gpu: whether rules should ask for one.
    """

    name: str
    label: str
    method: type[Method]
    doi: str
    linear: bool = False
    wants_gpu: bool = False

    @property
    def needs_weights(self) -> bool:
        """Whether the method is a trained network, applied with ``--weights``."""
        return any(f.name == "weights" for f in fields(self.method))

    @property
    def shipped_weights(self) -> Path | None:
        """What it is applied with where no weights are given: weights of its name, if any come with qsmbench."""
        return Path(f"{PREFIX}{self.name}") if self.needs_weights and self.name in shipped() else None

    @property
    def options(self) -> dict[str, Any]:
        """Parameters with their defaults."""
        return {f.name: f.default for f in fields(self.method) if f.name != "weights"}


METHODS: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry("tkd", "TKD", TKD, "10.1002/mrm.22135", linear=True),
        Entry("l2", "L2", L2, "10.1002/mrm.25029", linear=True),
        Entry("ilsqr", "iLSQR", ILSQR, "10.1016/j.neuroimage.2014.12.043"),
        Entry("medi", "MEDI", MEDI, "10.1002/mrm.24272"),
        Entry("tv", "TV", TV, "10.1002/mrm.25029"),
        Entry("rts", "RTS", RTS, "10.1016/j.neuroimage.2017.11.018"),
        Entry("inr-qsm", "INR-QSM", INRQSM, "10.1016/j.media.2024.103173", wants_gpu=True),
        Entry("dip", "DIP", DIP, "10.1109/CVPR.2018.00984", wants_gpu=True),
        Entry("meta-qsm", "Meta-QSM", MetaQSM, "10.48550/arXiv.1908.00206", wants_gpu=True),
        Entry("meta-qsm-b0", "Meta-QSM (B0)", MetaQSMB0, "10.48550/arXiv.1908.00206", wants_gpu=True),
        Entry("mesa-qsm", "Mesa-QSM", MesaQSM, "10.48550/arXiv.1908.00206", wants_gpu=True),
        Entry("qsmnet", "QSMnet", QSMnet, "10.1016/j.neuroimage.2018.06.030", wants_gpu=True),
        Entry("deepqsm", "DeepQSM", DeepQSM, "10.1016/j.neuroimage.2019.03.060", wants_gpu=True),
    )
}


def find(name: str) -> Entry:
    """Return the entry of a method.

    Raises:
        InputError: an unknown name, with the nearest known one.
    """
    if name not in METHODS:
        raise InputError(f"unknown method '{name}'{nearest(name, METHODS)}; known: {', '.join(METHODS)}")
    return METHODS[name]


def build(name: str, options: Mapping[str, Any] | None = None, weights: Path | None = None) -> Method:
    """Make a method from its name and options, whose values may be strings as on the command line.

    Raises:
        InputError: an unknown method or option, a value of the wrong type or out of bounds, weights missing or unused.
    """
    entry = find(name)
    values = dict(options or {})
    for key in values:
        if key not in entry.options:
            known = ", ".join(entry.options) or "none"
            raise InputError(f"method {name} has no option '{key}'{nearest(key, entry.options)}; known: {known}")
    if entry.needs_weights:
        if weights is None:
            similar = [PREFIX + word for word in shipped() if word.startswith(name.split("-", maxsplit=1)[0])]
            more = f", or one of {', '.join(similar)}" if similar else ""
            raise InputError(f"method {name} is a trained network: give its weights with --weights FILE{more}")
        values["weights"] = weights
    elif weights is not None:
        raise InputError(f"method {name} is not a network: it takes no --weights")
    try:
        return TypeAdapter(entry.method).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        own = first.get("ctx", {}).get("error")
        if isinstance(own, InputError):
            raise InputError(f"method {name}: {own}") from error
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"method {name}, option {where}: {first['msg']}, got {first['input']!r}") from error


def nearest(word: str, known: Mapping[str, Any] | list[str]) -> str:
    """Return " (did you mean 'x'?)" for the closest known word, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
