"""What a cluster is called and has: the few lines that a site must say (profiles/slurm/site.yaml)."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qsmbench.core.errors import InputError
from qsmbench.core.yaml_text import read_mapping


class Site(BaseModel):
    """A cluster."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    account: str | None = Field(None, description="what jobs are charged to; none: SLURM's default for the user")
    cpu_partition: str | None = Field(None, description="partition of jobs without GPU; none: SLURM's default")
    gpu_partition: str | None = Field(None, description="partition of jobs with GPUs; none: there are no GPUs")
    gpu_model: str | None = Field(None, description="name of the GPUs, as in --gpus=NAME:1; none: any")
    gpus_per_node: int = Field(4, gt=0, description="GPUs of a node; training on more goes over several nodes")
    max_memory_mb: int = Field(180_000, gt=0, description="memory of the largest node; nothing asks for more")
    max_minutes: int = Field(1440, gt=0, description="longest time limit of the partitions; nothing asks for more")
    gpu_tflops: float = Field(
        8.0, gt=0, description="what a GPU is taken to do on our networks, TFLOP/s; for time limits and the plan"
    )


def read_site(path: Path) -> Site:
    """Read a site file.

    Raises:
        InputError: no such file, no YAML, an unknown key or a bad value.
    """
    try:
        return Site.model_validate(read_mapping(path, "site file"))
    except ValidationError as error:
        lines = [
            f"site file {path}: {'.'.join(map(str, e['loc']))}: {e['msg']}; see docs/cluster.md" for e in error.errors()
        ]
        raise InputError("\n".join(lines)) from error
