"""The list of methods: one line each, imported when used, built by name with options checked.

Each architecture of a network is a method too: `qsmbench.networks.architectures` lists those. Under its own name it is
the paper's, which sees the field alone; networks that correct first maps are `<name>-tv` and `<name>-wiener`.

A method of another distribution is an `Entry` behind an entry point of the group ``qsmbench.methods``
(`qsmbench.core.registry`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from qsmbench.core.damage import quoted
from qsmbench.core.errors import InputError
from qsmbench.core.hashes import folder_hash
from qsmbench.core.registry import Registry, load, nearest
from qsmbench.networks.architectures import ARCHITECTURES, NetworkEntry
from qsmbench.networks.shipped import INPUTS, PREFIX, input_of, shipped

if TYPE_CHECKING:
    from qsmbench.methods.contract import Method


@dataclass(frozen=True)
class Entry:
    """A registered method: what lists show, and where the method is.

    Attributes:
        name: as on the command line and in the config.
        label: as in tables.
        target: the dataclass, as "package.module:Class".
        doi: of the paper it implements.
        linear: whether chi is linear in the local field (contract tests hold it to that).
        wants_gpu: whether rules should ask for one.
        needs_weights: whether it is a trained network, applied with ``--weights``.
        fixed: parameters that are no options: they tell apart methods of one class.
    """

    name: str
    label: str
    target: str
    doi: str
    linear: bool = False
    wants_gpu: bool = False
    needs_weights: bool = False
    fixed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def method(self) -> type[Method]:
        """The dataclass, imported.

        Raises:
            InputError: its module or name does not exist.
        """
        try:
            method: type[Method] = load(self.target)
        except (ImportError, AttributeError) as error:
            raise InputError(f"method {self.name} ({self.target}) cannot be imported: {error}") from error
        return method

    @property
    def shipped_weights(self) -> Path | None:
        """What it is applied with where no weights are given: weights of its name, if any come with qsmbench."""
        return Path(f"{PREFIX}{self.name}") if self.needs_weights and self.name in shipped() else None

    @property
    def options(self) -> dict[str, Any]:
        """Parameters with their defaults."""
        return {f.name: f.default for f in fields(self.method) if f.name not in {"weights", *self.fixed}}

    def resolved(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Every parameter: as given, or as a preset among the options has it, or the default."""
        return self.options | self.method.completed(options)


def _of_network(entry: NetworkEntry, corrects: str | None = None) -> Entry:
    """The method that applies an architecture's trained networks; where told, those with one of `INPUTS`."""
    fixed = {"architecture": entry.name, "corrects": corrects}
    name, label = entry.name + (corrects or ""), entry.label + INPUTS[corrects or ""]
    return Entry(
        name, label, f"{_OWN}.network:NetworkMethod", entry.doi, wants_gpu=True, needs_weights=True, fixed=fixed
    )


class _Methods(Registry[Entry]):
    """The methods, and one of its name for each architecture of another distribution."""

    @cached_property
    def others(self) -> dict[str, EntryPoint]:
        networks = {name: point for name, point in ARCHITECTURES.others.items() if name not in self.own}
        return networks | super().others

    def _imported(self, point: EntryPoint) -> Entry:
        if point.group == ARCHITECTURES.group:
            return _of_network(ARCHITECTURES[point.name])
        return super()._imported(point)


_OWN = "qsmbench.methods"
METHODS: Registry[Entry] = _Methods(
    "method",
    "qsmbench.methods",
    (
        Entry("tkd", "TKD", f"{_OWN}.tkd:TKD", "10.1002/mrm.22135", linear=True),
        Entry("l2", "L2", f"{_OWN}.l2:L2", "10.1002/mrm.25029"),
        Entry("wiener", "Wiener", f"{_OWN}.wiener:Wiener", "10.7551/mitpress/2946.001.0001"),
        Entry("spectral-tv", "Spectral TV", f"{_OWN}.spectral_tv:SpectralTV", "10.1561/2200000016"),
        Entry("ilsqr", "iLSQR", f"{_OWN}.ilsqr:ILSQR", "10.1016/j.neuroimage.2014.12.043"),
        Entry("medi", "MEDI", f"{_OWN}.medi:MEDI", "10.1002/mrm.24272"),
        Entry("tv", "TV", f"{_OWN}.tv:TV", "10.1002/mrm.25029"),
        Entry("rts", "RTS", f"{_OWN}.rts:RTS", "10.1016/j.neuroimage.2017.11.018"),
        Entry("fansi", "FANSI", f"{_OWN}.fansi:FANSI", "10.1002/mrm.27073"),
        Entry("hd-qsm", "HD-QSM", f"{_OWN}.hd_qsm:HDQSM", "10.1002/mrm.29218"),
        Entry("ndi", "NDI", f"{_OWN}.ndi:NDI", "10.1002/nbm.4271"),
        Entry("inr-qsm", "INR-QSM", f"{_OWN}.inr:INRQSM", "10.1016/j.media.2024.103173", wants_gpu=True),
        Entry("consensus", "Consensus", f"{_OWN}.consensus:Consensus", "10.1214/ss/1009212519", wants_gpu=True),
        Entry("dip", "DIP", f"{_OWN}.dip:DIP", "10.1109/CVPR.2018.00984", wants_gpu=True),
        *(_of_network(entry, corrects) for corrects in INPUTS for entry in ARCHITECTURES.own.values()),
        # Somebody else's folder, whose own algorithm.yml names the paper.
        Entry("command", "Foreign method", f"{_OWN}.command:Command", ""),
    ),
)  # fmt: skip
find = METHODS.find


def origin(name: str, options: Mapping[str, Any]) -> dict[str, str]:
    """What made a method of others: distribution, version and source hash, or its folder's hash; else empty."""
    if name == "command" and "folder" in options:
        return {"folder_sha256": folder_hash(Path(str(options["folder"])))}
    return METHODS.origin(name)


def build(name: str, options: Mapping[str, Any] | None = None, weights: Path | None = None) -> Method:
    """Make a method from its name and options, whose values may be strings as on the command line.

    Raises:
        InputError: an unknown method or option, a value of the wrong type or out of bounds, weights missing or unused.
    """
    entry = METHODS.find(name)
    values = dict(options or {})
    for key in values:
        if key not in entry.options:
            known = ", ".join(entry.options) or "none"
            raise InputError(f"method {name} has no option '{key}'{nearest(key, entry.options)}; known: {known}")
    if entry.needs_weights:
        if weights is None:
            raise InputError(
                f"method {name} is a trained network: give its weights with --weights FILE{_come_along(name)}"
            )
        values["weights"] = weights
    elif weights is not None:
        raise InputError(f"method {name} is not a network: it takes no --weights")
    try:
        return TypeAdapter(entry.method).validate_python(entry.method.completed(values) | dict(entry.fixed))
    except ValidationError as error:
        first = error.errors()[0]
        own = first.get("ctx", {}).get("error")
        if isinstance(own, InputError):
            raise InputError(f"method {name}: {own}") from error
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"method {name}, option {where}: {first['msg']}, got {quoted(first['input'])}") from error


def _come_along(name: str) -> str:
    """Which shipped weights serve a network without any of its own name, as the end of a sentence."""
    kind = name.split("-", maxsplit=1)[0]
    similar = [PREFIX + word for word in shipped() if word.startswith(kind) and input_of(word) == input_of(name)]
    if similar:
        return f", or one of {', '.join(similar)}"
    others = sorted({input_of(word) for word in shipped() if word.startswith(kind)})
    if others:
        bare = name.removesuffix(input_of(name)) if input_of(name) else name
        return f"; those that come with qsmbench are of method {' and '.join(bare + suffix for suffix in others)}"
    return ""
