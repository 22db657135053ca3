"""Synthetic samples in one sharded Zarr store (`qsmbench.data.store`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from qsmbench.core.damage import reading
from qsmbench.core.hashes import json_hash
from qsmbench.core.section import Name
from qsmbench.data.disk import set_bytes
from qsmbench.data.layout import RunLayout
from qsmbench.sets.contract import Labels, MapsAbout, ScanSet, SetSpec
from qsmbench.simulation.recipe import Recipe

if TYPE_CHECKING:
    import numpy as np

    from qsmbench.core.grid import Shape
    from qsmbench.core.scan import Reference, Scan
    from qsmbench.data.store import StoredSet


class SyntheticSet(SetSpec):
    """A set of synthetic samples in one Zarr store."""

    role: Literal["train", "tune", "test"] = Field(
        description="train sets feed networks, tune sets choose parameters, test sets are reconstructed and scored"
    )
    n_samples: int = Field(
        gt=0, le=1_000_000, description="number of samples (the paper: 30000 to train, 100 a test set)"
    )
    samples_per_shard: int = Field(gt=0, le=1_000_000, description="samples in one Zarr shard, made by one job")
    device: Literal["cpu", "cuda"] = Field(
        "cpu",
        description="where samples are made; cuda agrees with cpu to 1e-4 ppm, but its bytes depend on the GPU",
    )
    recipe: Recipe = Field(default_factory=Recipe, description="how a sample is made from the source")
    magnitude: bool | None = Field(
        None,
        description="keep a magnitude image, for methods that weight by it or look for edges in it; by default in tune "
        "and test sets",
    )
    draws_of: Name | None = Field(
        None,
        description="another set whose draws this one takes: sample by sample the same head, shapes and noise level, "
        "so that the two differ only in what their recipes differ in",
    )

    def drawn_as(self, name: str) -> str:
        """The set in whose name the samples of this one, called ``name``, are drawn."""
        return self.draws_of or name

    @property
    def with_magnitude(self) -> bool:
        """Whether samples come with a magnitude image (and the noise that follows it)."""
        return self.role != "train" if self.magnitude is None else self.magnitude

    @property
    def n_shards(self) -> int:
        """Number of shards, the last of which may be partly filled."""
        return -(-self.n_samples // self.samples_per_shard)

    def in_shard(self, shard: int) -> range:
        """Numbers of the samples that a shard holds."""
        first = shard * self.samples_per_shard
        return range(first, min(first + self.samples_per_shard, self.n_samples))

    def open(self, layout: RunLayout, name: str) -> Samples:
        """The set called ``name`` in a results folder."""
        return Samples(layout, name, self)


class Samples(ScanSet):
    """A synthetic set; its scans are called 00000, 00001, ..."""

    def __init__(self, layout: RunLayout, name: str, spec: SyntheticSet) -> None:
        super().__init__(layout, name)
        self.spec = spec
        self.scored = spec.role == "test"

    @property
    def members(self) -> tuple[str, ...]:
        """The samples."""
        return tuple(f"{number:05d}" for number in range(self.spec.n_samples))

    @property
    def shape(self) -> Shape:
        """Of every sample."""
        return self.spec.recipe.shape

    @property
    def folder(self) -> Path:
        """The store."""
        return self.layout.store(self.name)

    def inputs(self) -> list[Path]:
        """Metadata, and each shard's files and hashes."""
        files = self.layout.metadata(self.name)
        for shard in range(self.spec.n_shards):
            files += [*self.layout.shard(self.name, shard), self.layout.shard_hashes(self.name, shard)]
        return files

    def truth_inputs(self) -> list[Path]:
        """The tissue labels."""
        return [self.layout.labels(self.name), self.layout.label_names(self.name)]

    def disk_bytes(self) -> int:
        """Of the store."""
        kept = {"noisy": self.spec.recipe.noisy, "magnitude": self.spec.with_magnitude}
        return set_bytes(self.shape, self.spec.n_samples, **kept)

    @property
    def description(self) -> str:
        """How many."""
        return f"{self.spec.n_samples} synthetic samples"

    @cached_property
    def stored(self) -> StoredSet:
        """The store, opened."""
        from qsmbench.data.store import StoredSet

        return StoredSet(self.folder)

    @property
    def names(self) -> Sequence[str]:
        """Numbers of five digits."""
        return [f"{number:05d}" for number in range(len(self.stored))]

    def scan(self, name: str) -> Scan:
        """Local field, mask, and where they are kept magnitude and noise; chi is not read."""
        return self.stored.scan(int(name))

    def reference(self, name: str) -> Reference:
        """True chi."""
        return self.stored.reference(int(name))

    def labels(self, name: str) -> Labels | None:
        """Tissues and pasted bodies, once they are labelled."""
        if not self.layout.labels(self.name).is_dir():
            return None
        import numpy as np

        from qsmbench.data.stored_arrays import open_array

        path = self.layout.label_names(self.name)
        with reading(path, "labels"):
            known = json.loads(path.read_text(encoding="utf-8"))
        with reading(self.layout.labels(self.name), "labels"):
            volume = np.asarray(open_array(self.layout.labels(self.name) / "labels")[int(name)])
        return Labels(volume, {int(label): text for label, text in known.items()})

    @cached_property
    def drawn(self) -> dict[str, dict[str, Any]]:
        """What was drawn and stored of every sample, by its name, as the shards' JSON files have it."""
        rows: dict[str, dict[str, Any]] = {}
        for path in sorted(self.layout.drawn(self.name).glob("*.json")):
            with reading(path, "the samples of a shard"):
                samples = json.loads(path.read_text(encoding="utf-8"))["samples"]
                rows |= {f"{row['sample']:05d}": _drawn(row) for row in samples}
        return rows

    def data_hash(self, name: str) -> str:
        """Of all that was stored of the sample."""
        return json_hash(self.drawn[name]["sha256"])

    def axis_codes(self, name: str) -> str | None:
        """As the store says."""
        codes = self.stored.group.attrs.get("axis_codes")
        return None if codes is None else str(codes)

    def voxel_sizes(self) -> Mapping[str, Sequence[float]]:
        """Of every sample."""
        return dict(zip(self.names, self.stored.vectors()[0].tolist(), strict=True))

    def noise_levels(self) -> Mapping[str, float]:
        """Of the samples that noise was drawn for."""
        drawn = {name: row.get("parameters", {}) for name, row in self.drawn.items()}
        return {name: p["noise_sd"] for name, p in drawn.items() if "noise_sd" in p}

    def start_maps(self, folder: Path, about: MapsAbout) -> None:
        """Create one store for all maps."""
        from qsmbench.sets.zarr_maps import create_maps

        attributes = {"method": about.method, "options": dict(about.options)}
        create_maps(folder, len(self.stored), self.stored.grid(0).shape, attributes)

    def write_map(self, folder: Path, name: str, chi: np.ndarray, about: MapsAbout, found: Mapping[str, Any]) -> None:
        """Write one chunk; what the method said is in the status file."""
        from qsmbench.sets.zarr_maps import write_map

        write_map(folder, int(name), chi)

    def read_map(self, folder: Path, name: str) -> np.ndarray | None:
        """Read one chunk."""
        from qsmbench.sets.zarr_maps import read_map

        return read_map(folder, int(name), self.stored.grid(int(name)).shape)

    def map_name(self, folder: Path, name: str) -> str:
        """Store and number."""
        return f"{self.layout.relative(folder)}/maps.zarr, sample {int(name)}"


def _drawn(row: dict[str, Any]) -> dict[str, Any]:
    """A row as it is; what others count with must be a number."""
    parameters = row.get("parameters", {})
    if "noise_sd" in parameters:
        parameters["noise_sd"] = float(parameters["noise_sd"])
    return row
