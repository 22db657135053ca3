"""Fields that were made of other sets' scans, from those again."""

from __future__ import annotations

import tempfile
from pathlib import Path

from qsmbench.audit.again.contract import Again
from qsmbench.audit.tolerance import Agreement
from qsmbench.benchmark.derive import derive_subject
from qsmbench.sets.derived import DerivedScans


def derived_scans(again: Again) -> list[Agreement]:
    """Fields and masks of some subjects whose set's scans are in the folder."""
    run, found = again.run, []
    theirs = [n for n, s in run.of.sets.items() if isinstance(s, DerivedScans) and n in run.foreign_sets]
    for name in theirs:
        text = f"Fields of {name}: their background is removed by somebody else's program, and an audit runs none."
        again.check.skipped.append(text)
    things = [
        (scans, subject)
        for scans in run.of.sets.values()
        if isinstance(scans, DerivedScans)
        and scans.name not in theirs
        and all(path.is_dir() for path in scans.base.truth_inputs())
        for subject in scans.members
        if all(path.is_dir() for path in scans.sources(subject))
    ]
    for scans, subject in again.choose("derived", things, group=lambda thing: thing[0].name):
        with tempfile.TemporaryDirectory() as temporary:
            derive_subject(scans, subject, run.config.seed, Path(temporary))
            found += again.compare_folders(Path(temporary), scans.folder)
    return found
