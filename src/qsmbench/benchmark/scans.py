"""Where the report finds the scans of a run's acquired sets."""

from __future__ import annotations

from pathlib import Path

from qsmbench.benchmark.acquisition import TRUTH
from qsmbench.benchmark.subjects import prepared_scans
from qsmbench.config.model import Config
from qsmbench.data.bids_write import chimap_path
from qsmbench.report.scans import ScanFiles


def scan_files(config: Config) -> tuple[dict[str, list[ScanFiles]], dict[str, Path]]:
    """Return, by set, the files of its scans, and the table of its fields' errors where there is a truth."""
    scans, fields = {}, {}
    for name, spec in config.acquisitions.items():
        prepared = config.results / f"prepared/{name}"
        simulated = spec.kind == "simulated"
        if simulated:
            fields[name] = config.results / f"scores/fields/{name}.csv"
        subjects = spec.subjects or sorted(p.name.removeprefix("sub-") for p in prepared.glob("sub-*"))
        truth = config.results / f"acquisitions/{name}" / TRUTH
        scans[name] = [
            ScanFiles(
                name=item.name,
                local_field=item.path("local_field"),
                mask=item.path("local_mask"),
                swi=item.path("swi") if item.path("swi").is_file() else None,
                chi_ref=chimap_path(truth, item.subject) if simulated else None,
                maps={run: item.chimap(config.results / f"chimaps/{name}/{run}") for run in config.methods},
            )
            for item in prepared_scans(prepared, subjects)
        ]
    return scans, fields
