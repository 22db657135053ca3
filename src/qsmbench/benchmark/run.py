"""A configuration with the folder of its results: what every step, rule and check is given."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from qsmbench.config.model import Config
from qsmbench.data.layout import RunLayout
from qsmbench.sets.contract import ScanSet
from qsmbench.sets.scans import PreparedScans
from qsmbench.sets.simulated import SimulatedScans


class Run:
    """One run.

    Args:
        config: its configuration.
        root: folder of the results; by default the configuration's.
    """

    def __init__(self, config: Config, root: Path | None = None) -> None:
        self.config = config
        self.layout = RunLayout(config.results if root is None else root)

    @cached_property
    def resolved(self) -> dict[str, Any]:
        """The configuration with every default, JSON-able."""
        content: dict[str, Any] = self.config.model_dump(mode="json")
        return content

    @cached_property
    def sets(self) -> dict[str, ScanSet]:
        """The sets that methods are run on, of every kind."""
        return {name: spec.open(self.layout, name) for name, spec in self.config.sets.items()}

    @cached_property
    def scored(self) -> list[str]:
        """Those of them that have a truth."""
        return [name for name, scans in self.sets.items() if scans.scored]

    @cached_property
    def simulated(self) -> list[str]:
        """Those whose acquisition is simulated."""
        return [name for name, scans in self.sets.items() if isinstance(scans, SimulatedScans)]

    @cached_property
    def prepared(self) -> list[str]:
        """Those whose fields the run prepares from echoes."""
        return [name for name, scans in self.sets.items() if isinstance(scans, PreparedScans)]

    def prepared_set(self, name: str) -> PreparedScans:
        """A set whose fields the run prepares."""
        found = self.sets[name]
        assert isinstance(found, PreparedScans)
        return found

    def any_set(self, name: str) -> ScanSet:
        """A set that methods are run on, or one to train or tune on."""
        found = self.sets.get(name)
        return self.config.synthetic[name].open(self.layout, name) if found is None else found

    def methods_of(self, name: str) -> list[str]:
        """The entries of the configuration's methods that are run on a set, in their order."""
        only = self.config.sets[name].methods
        return [run for run in self.config.methods if not only or run in only]

    def pairs(self, names: Iterable[str]) -> list[tuple[str, str]]:
        """Every set of these with every method that is run on it."""
        return [(name, run) for name in names for run in self.methods_of(name)]

    def method(self, run: str) -> str:
        """The method of an entry of the configuration, by its name in the registry."""
        return self.config.methods[run].method or run

    def weights(self, run: str) -> Path | None:
        """The weights that an entry uses."""
        network = self.config.methods[run].network
        return None if network is None else self.layout.weights(network)
