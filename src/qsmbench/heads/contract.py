"""What every source of heads can do.

A source is a section of the configuration; this module and those of the kinds load no array library before a head is
read, so that the workflow's rules can hold them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from qsmbench.core.errors import InputError
from qsmbench.core.section import Section

if TYPE_CHECKING:
    from qsmbench.simulation.acquisition.head import WholeHead
    from qsmbench.simulation.acquisition.protocol import Protocol
    from qsmbench.simulation.source import Source


class FoundHead(NamedTuple):
    """A head and what is known of where it came from, JSON-able."""

    source: Source
    origin: dict[str, Any]


class HeadSpec(Section):
    """One head, wherever it comes from."""

    @abstractmethod
    def read(self) -> FoundHead:
        """Read the head, turned so that x, y, z run to the patient's right, front and top.

        Raises:
            InputError: a file is missing or unusable, or a download failed.
        """

    def whole(self, protocol: Protocol, iron: dict[str, float], seed: int, subject: str) -> WholeHead:
        """Build a whole head with skull and air around this brain, as an acquisition sees it.

        Args:
            protocol: sets the contrast.
            iron: factors on the susceptibility of nuclei, for heads that know them.
            seed: of the run, for heads that draw veins and texture.
            subject: who is scanned, likewise: the same person in every set.
        """
        from qsmbench.simulation.acquisition.head import map_head

        return map_head(self.read().source, protocol)

    def files(self) -> dict[str, Path]:
        """The user's files that are read, by the key that names them."""
        named = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: path for name, path in named.items() if isinstance(path, Path)}

    def located(self, given: Sequence[Path]) -> Self:
        """Return the same source with the user's files where they are now: found among ``given`` by their names.

        Raises:
            InputError: one of them is not given.
        """
        update: dict[str, Path] = {}
        for name, path in self.files().items():
            found = next((p for p in given if p.name == path.name), None)
            if found is None:
                raise InputError(f"Source {path.name}: it is not in the folder; give it with --source FILE.")
            update[name] = found
        return self.model_copy(update=update)
