"""What a run will put on the disk, said in its plan and checked before its first job."""

from __future__ import annotations

from qsmbench.config.model import Config
from qsmbench.data.disk import check_space, folder_bytes, free_bytes, map_bytes, scan_bytes, set_bytes, size_text
from qsmbench.simulation.acquisition.protocol import PROTOCOLS


def disk_need(config: Config) -> dict[str, int]:
    """About how many bytes each synthetic or simulated set takes, and at most how many all reconstructions do.

    A BIDS folder of one's own is not counted: its shapes are not known before it is read.
    """
    need = {
        name: set_bytes(spec.recipe.shape, spec.n_samples, noisy=spec.recipe.noisy, magnitude=spec.with_magnitude)
        for name, spec in config.synthetic.items()
    }
    maps = [(spec.recipe.shape, spec.n_samples) for spec in config.synthetic.values() if spec.role == "test"]
    for name, scans in config.acquisitions.items():
        if scans.kind == "simulated":
            protocol = PROTOCOLS[scans.protocol].scaled(scans.scale)
            need[name] = scan_bytes(protocol.matrix, len(protocol.echo_times), len(scans.subjects))
            maps.append((protocol.matrix, len(scans.subjects)))
    return need | {"reconstructions": sum(map_bytes(shape, n) for shape, n in maps) * len(config.methods)}


def disk_plan(config: Config) -> str:
    """One line: the need by part, and what is free."""
    need = disk_need(config)
    parts = ", ".join(f"{name} {size_text(size)}" for name, size in need.items())
    free = size_text(free_bytes(config.results))
    return f"disk: about {size_text(sum(need.values()))} in {config.results} ({parts}); {free} free"


def check_disk(config: Config) -> None:
    """Raise InputError where less is free than is still to be made."""
    folders = ["synthetic", "reconstructions"]
    simulated = [name for name, scans in config.acquisitions.items() if scans.kind == "simulated"]
    folders += [f"{part}/{name}" for name in simulated for part in ("acquisitions", "prepared", "chimaps")]
    done = sum(folder_bytes(config.results / part) for part in folders)
    check_space(config.results, max(0, sum(disk_need(config).values()) - done), "what is still to be made")
