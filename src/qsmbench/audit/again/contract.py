"""What every part of the recomputation is given: the folder, a choice that its seed makes, and a judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from qsmbench.audit.check import Check
from qsmbench.audit.run_folder import RunFolder
from qsmbench.audit.tolerance import Agreement, compare_volumes
from qsmbench.core.errors import InputError
from qsmbench.core.seeds import generator_for
from qsmbench.data.nifti import read_volume
from qsmbench.heads.registry import AnySource, located
from qsmbench.simulation.source import Heads

T = TypeVar("T")


@dataclass
class Again:
    """What to make again, and where to say what came out.

    Attributes:
        run: the folder.
        check: takes findings, notes and what was skipped.
        k: things of each kind.
        seed: of the choice.
        rescore: maps of each kind of set whose scores are made again; None for all.
        source: files of heads that came from the user and are not in the folder.
        device: of torch, for maps.
        heads: that samples are made from, once they are read.
    """

    run: RunFolder
    check: Check
    k: int
    seed: int
    rescore: int | None = None
    source: Sequence[Path] = ()
    device: str = "cpu"
    heads: Heads | None = field(default=None, init=False)
    _counts: dict[str, tuple[int, int]] = field(default_factory=dict, init=False)

    def choose(
        self, kind: str, things: Sequence[T], k: int | None = None, group: Callable[[T], object] | None = None
    ) -> list[T]:
        """Take some of the things, or all where there are fewer.

        Args:
            kind: of the things, for the generator and for people.
            things: to choose from.
            k: how many; by default as many as of every kind.
            group: what a thing belongs to: of every group at least one thing is taken.
        """
        if not things:
            return []
        rng = generator_for(self.seed, f"audit/{kind}", 0)
        order = rng.permutation(len(things)).tolist()
        if group is not None:
            firsts: dict[object, int] = {}
            for i in order:
                firsts.setdefault(group(things[i]), i)
            order = [*firsts.values(), *(i for i in order if i not in set(firsts.values()))]
            k = max(self.k if k is None else k, len(firsts))
        chosen = sorted(order[: self.k if k is None else k])
        seen, there = self._counts.get(kind, (0, 0))
        self._counts[kind] = seen + len(chosen), there + len(things)
        return [things[i] for i in chosen]

    def odds(self) -> list[str]:
        """Of each kind how many were looked at, and how likely one forged thing among them stays unseen."""
        lines = []
        for kind, (seen, there) in self._counts.items():
            miss = 1 - seen / there
            name = kind.replace("/", " of ")
            lines.append(f"{name}: {seen} of {there}; one forged among them stays unseen with probability {miss:.2f}.")
        return lines

    def judge(self, where: str, found: Agreement) -> Agreement:
        """Say what does not agree, and note what agrees but not to the bit."""
        if not found.tolerated:
            self.check.find("recomputed", where, f"made again, it {found.text}")
        elif not found.identical:
            self.check.notes.append(f"{where}: made again, it {found.text}.")
        return found

    def located(self, spec: AnySource) -> Any | None:
        """A source with the user's files where they are now; None where one is not given, which is said."""
        try:
            return located(spec, self.source)
        except InputError as error:
            text = str(error)
            known: dict[str, set[str]] = {}
            for job in self.run.jobs:
                for about in job.content["external"]:
                    known.setdefault(about["name"], set()).add(about["sha256"])
            for name, hashes in known.items():
                text = text.replace(f"Source {name}:", f"Source {name} (SHA-256 {', '.join(sorted(hashes))}):")
            self.check.skipped.append(text)
            return None

    def compare_folders(self, made: Path, stored: Path) -> list[Agreement]:
        """Compare every NIfTI file below a folder with its counterpart."""
        found = []
        for path in sorted(made.rglob("*.nii.gz")):
            there = stored / path.relative_to(made)
            where = self.run.name(there)
            if there.is_file():
                found.append(self.judge(where, _compare_nifti(path, there)))
            else:
                self.check.find("missing", where, "is made and not stored")
        return found


def _compare_nifti(made: Path, stored: Path) -> Agreement:
    if made.read_bytes() == stored.read_bytes():
        return Agreement(True, True, "the same bits")
    a, b = read_volume(made, finite=False), read_volume(stored, finite=False)
    if not np.allclose(a.affine, b.affine, atol=1e-5):
        return Agreement(False, False, "has another affine")
    return compare_volumes(a.data, b.data)
