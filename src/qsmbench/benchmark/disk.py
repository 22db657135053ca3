"""What a run will put on the disk, said in its plan and checked before its first job."""

from __future__ import annotations

from qsmbench.config.model import Config
from qsmbench.data.disk import check_space, folder_bytes, free_bytes, map_bytes, set_bytes, size_text


def disk_need(config: Config) -> dict[str, int]:
    """About how many bytes each synthetic set takes, and at most how many all reconstructions of the test sets do."""
    need = {
        name: set_bytes(spec.recipe.shape, spec.n_samples, noisy=spec.recipe.noise.enabled)
        for name, spec in config.synthetic.items()
    }
    tests = (spec for spec in config.synthetic.values() if spec.role == "test")
    maps = sum(map_bytes(spec.recipe.shape, spec.n_samples) for spec in tests)
    return need | {"reconstructions": maps * len(config.methods)}


def disk_plan(config: Config) -> str:
    """One line: the need by part, and what is free."""
    need = disk_need(config)
    parts = ", ".join(f"{name} {size_text(size)}" for name, size in need.items())
    free = size_text(free_bytes(config.results))
    return f"disk: about {size_text(sum(need.values()))} in {config.results} ({parts}); {free} free"


def check_disk(config: Config) -> None:
    """Raise InputError where less is free than is still to be made."""
    done = sum(folder_bytes(config.results / part) for part in ("synthetic", "reconstructions"))
    check_space(config.results, max(0, sum(disk_need(config).values()) - done), "what is still to be made")
