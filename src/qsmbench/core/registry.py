"""Names that stand for code which is imported only when it is used: our own, and those of installed packages.

An entry says in plain text what a list shows of a thing, and where the thing is: ``"package.module:Name"``. Another
distribution adds entries through an entry point of the registry's group, whose value is such an entry:

    [project.entry-points."qsmbench.methods"]
    my-method = "my_package.entries:MY_METHOD"

Its names are read from the installed packages' metadata; its module is imported when the name is used.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Protocol, TypeVar

from qsmbench.core.errors import InputError
from qsmbench.core.hashes import folder_hash


class Named(Protocol):
    """What a registry needs of an entry."""

    @property
    def name(self) -> str:
        """The name that it is looked up by."""


E = TypeVar("E", bound=Named)


class Registry(Mapping[str, E]):
    """Entries by name: our own in their order, then those of other distributions, sorted by name.

    Args:
        kind: what an entry is called in messages, such as "method".
        group: of entry points, such as "qsmbench.methods".
        entries: our own; an entry point of the same name does not replace them.
    """

    def __init__(self, kind: str, group: str, entries: Iterable[E]) -> None:
        self.kind, self.group = kind, group
        self.own: dict[str, E] = {entry.name: entry for entry in entries}

    @cached_property
    def others(self) -> dict[str, EntryPoint]:
        """Entry points of other distributions by name, not yet imported."""
        found = sorted(entry_points(group=self.group), key=lambda point: point.name)
        return {point.name: point for point in found if point.name not in self.own}

    def __getitem__(self, name: str) -> E:
        if name in self.own:
            return self.own[name]
        return self._imported(self.others[name])

    def __iter__(self) -> Iterator[str]:
        return iter([*self.own, *self.others])

    def __len__(self) -> int:
        return len(self.own) + len(self.others)

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in self.others

    def find(self, name: str) -> E:
        """Return an entry.

        Raises:
            InputError: an unknown name, with the nearest known one; an entry point that cannot be imported.
        """
        if name not in self:
            raise InputError(f"unknown {self.kind} '{name}'{nearest(name, self)}; known: {', '.join(self)}")
        return self[name]

    def origin(self, name: str) -> dict[str, str]:
        """Where an entry of another distribution comes from: name, version, hash of the source; empty for ours."""
        if name not in self.others:
            return {}
        point = self.others[name]
        found = importlib.util.find_spec(point.module.partition(".")[0])
        folders = [] if found is None else list(found.submodule_search_locations or [])
        source = {"source_sha256": folder_hash(Path(folders[0]))} if folders else {}
        return {"distribution": point.dist.name, "version": point.dist.version, **source} if point.dist else source

    def _imported(self, point: EntryPoint) -> E:
        package = point.dist.name if point.dist else "an unknown package"
        where = f"{self.kind} {point.name} of {package} ({point.value})"
        try:
            entry: E = point.load()
        except (ImportError, AttributeError) as error:
            raise InputError(f"{where} cannot be imported: {error}; repair or remove that package") from error
        if getattr(entry, "name", None) != point.name:
            raise InputError(f"{where} is not an entry named {point.name}; see qsmbench.core.registry")
        return entry


def load(target: str) -> Any:
    """Import what ``"package.module:Name"`` stands for.

    >>> load("math:pi")
    3.141592653589793
    """
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return " (did you mean 'x'?)" for the closest known word, or nothing.

    >>> nearest("tdk", ["tkd", "l2"])
    " (did you mean 'tkd'?)"
    """
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
