"""Simulated scans from head and seed; prepared fields from their echoes."""

from __future__ import annotations

import tempfile
from pathlib import Path

from qsmbench.audit.again.contract import Again
from qsmbench.audit.tolerance import Agreement
from qsmbench.benchmark.acquisition import acquire_subject
from qsmbench.preparation.dataset import prepare_bids
from qsmbench.sets.simulated import SimulatedSet


def simulated_scans(again: Again) -> list[Agreement]:
    """Echoes and truth of some subjects."""
    run, found = again.run, []
    things = [(n, s) for n in run.of.simulated if run.layout.raw(n).is_dir() for s in run.of.sets[n].members]
    for name, subject in again.choose("acquisitions", things):
        spec = run.config.acquisitions[name]
        assert isinstance(spec, SimulatedSet)
        source = again.located(spec.source)
        if source is None:
            continue
        with tempfile.TemporaryDirectory() as temporary:
            located = spec.model_copy(update={"source": source})
            acquire_subject(located, name, subject, run.config.seed, Path(temporary))
            found += again.compare_folders(Path(temporary), run.layout.raw(name))
    return found


def prepared_scans(again: Again) -> list[Agreement]:
    """Fields and masks of some subjects whose echoes are in the folder."""
    run, found = again.run, []
    for name in run.of.prepared:
        if name not in run.of.simulated:
            text = f"Prepared scans of '{name}': their echoes are the user's and not in the folder."
            again.check.skipped.append(text)
    for name in sorted(run.foreign_sets.intersection(run.of.prepared)):
        text = (
            f"Prepared scans of {name}: their background is removed by somebody else's program, and an audit runs none."
        )
        again.check.skipped.append(text)
    own = [n for n in run.of.simulated if run.layout.raw(n).is_dir() and n not in run.foreign_sets]
    things = [(n, s) for n in own for s in run.of.sets[n].members]
    for name, subject in again.choose("prepared", things):
        with tempfile.TemporaryDirectory() as temporary:
            settings = run.of.prepared_set(name).preparation
            prepare_bids(run.layout.raw(name), Path(temporary), settings, [subject])
            found += again.compare_folders(Path(temporary), run.layout.prepared(name))
    return found
