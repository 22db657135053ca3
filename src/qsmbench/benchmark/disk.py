"""What a run will put on the disk, said in its plan and checked before its first job."""

from __future__ import annotations

from qsmbench.benchmark.run import Run
from qsmbench.data.disk import (
    check_space,
    folder_bytes,
    free_bytes,
    inspection_bytes,
    map_bytes,
    report_bytes,
    size_text,
)


def disk_need(of: Run) -> dict[str, int]:
    """About how many bytes each set that the run makes takes; at most how many maps, inspections and the report do.

    A folder of one's own is not counted, nor are maps of its scans: their shapes are not known before it is read.
    """
    sets = {name: of.any_set(name) for name in (*of.config.synthetic, *of.config.acquisitions)}
    need = {name: size for name, scans in sets.items() if (size := scans.disk_bytes())}
    known = of.pairs(name for name in of.sets if name in need)
    maps = sum(map_bytes(of.sets[name].shape, len(of.sets[name].members)) for name, _ in known)
    looks = sum(inspection_bytes(spec.n_samples) for spec in of.config.synthetic.values())
    shown, viewer = of.config.report.subjects_shown, of.config.report.viewer_megabytes
    return need | {
        "reconstructions": maps,
        "inspection": looks,
        "report": report_bytes(len(of.sets), shown, len(of.config.methods), viewer),
    }


def disk_plan(of: Run) -> str:
    """One line: the need by part, and what is free."""
    need = disk_need(of)
    parts = ", ".join(f"{name} {size_text(size)}" for name, size in need.items())
    free = size_text(free_bytes(of.layout.root))
    return f"disk: about {size_text(sum(need.values()))} in {of.layout.root} ({parts}); {free} free"


def check_disk(of: Run) -> None:
    """Raise InputError where less is free than is still to be made."""
    need, layout = disk_need(of), of.layout
    folders = [layout.store(name).parent for name in list(of.config.synthetic)[:1]]
    folders += [folder for name in of.simulated for folder in (layout.raw(name), layout.prepared(name))]
    folders += [layout.maps(name, run) for name, run in of.pairs(name for name in of.sets if name in need)]
    folders += [layout.inspection(name)[0].parent for name in of.config.synthetic]
    folders += [layout.page.parent]
    done = sum(folder_bytes(folder) for folder in folders)
    check_space(layout.root, max(0, sum(need.values()) - done), "what is still to be made")
