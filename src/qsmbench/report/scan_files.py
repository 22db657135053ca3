"""Where a results folder keeps the scans of its acquired sets.

prepared/<set>/sub-*/anat/         fields, masks, SWI        chimaps/<set>/<run>/sub-*/anat/   a method's maps
acquisitions/<set>/derivatives/ground-truth/                 true chi of a simulated set
scores/fields/<set>.csv            errors of its fields
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qsmbench.data.bids_write import TRUTH, chimap_path
from qsmbench.data.prepared import prepared_scans
from qsmbench.report.display import Display


@dataclass(frozen=True)
class ScanFiles:
    """Where the volumes of one scan lie.

    Attributes:
        name: as in the scores.
        local_field: ppm.
        mask: where the local field holds.
        swi: susceptibility-weighted image, or None.
        chi_ref: true chi in ppm, or None where it is not known.
        maps: method to its chi; a file that is not there is a reconstruction that failed.
    """

    name: str
    local_field: Path
    mask: Path
    swi: Path | None
    chi_ref: Path | None
    maps: Mapping[str, Path]


def find_scans(folder: Path, display: Display) -> dict[str, tuple[ScanFiles, ...]]:
    """Return, by set, the files of its prepared scans in the order of the configuration; sets without any are left out.

    Methods whose folder of maps is not there are left out too: they were not run, which is no failure.
    """
    found = {}
    for name, spec in display.config.get("acquisitions", {}).items():
        prepared = folder / f"prepared/{name}"
        there = sorted(path.name.removeprefix("sub-") for path in prepared.glob("sub-*"))
        subjects = [s for s in spec.get("subjects") or there if s in there]
        truth = folder / f"acquisitions/{name}" / TRUTH
        runs = [run for run in display.methods if (folder / f"chimaps/{name}/{run}").is_dir()]
        scans = []
        for item in prepared_scans(prepared, subjects):
            chi_ref = chimap_path(truth, item.subject)
            scans.append(
                ScanFiles(
                    name=item.name,
                    local_field=item.path("local_field"),
                    mask=item.path("local_mask"),
                    swi=item.path("swi") if item.path("swi").is_file() else None,
                    chi_ref=chi_ref if spec["kind"] == "simulated" and chi_ref.is_file() else None,
                    maps={run: item.chimap(folder / f"chimaps/{name}/{run}") for run in runs},
                )
            )
        if scans:
            found[name] = tuple(scans)
    return found
