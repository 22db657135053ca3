"""Every path of a results folder, said once: rules, steps, report, audit, crate, disk plan and tests ask here.

A part of a path may be a wildcard, so that a rule says ``layout.scores("{set}", "{run}")``. Nothing but the standard
library is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VOLUMES = ("chi", "local_field", "mask", "magnitude", "field_noise")
# Zero throughout where a set has none; stores of before version 0.2 lack them.
OPTIONAL = ("magnitude", "field_noise")
VECTORS = ("voxel_size", "b0_dir")

HEAD_FILES = ("chi.nii.gz", "mask.nii.gz", "labels.nii.gz", "magnitude.nii.gz")
INSPECTION_FILES = ("contact-sheet.png", "parameters.png", "samples.csv", "shapes.csv")
METADATA_FILES = ("zarr.json", *(f"{name}/zarr.json" for name in (*VOLUMES, *VECTORS)))
# Where a simulated dataset keeps its truth, below its own folder.
TRUTH = "derivatives/ground-truth"
# What describes a simulated dataset as a whole.
RAW_DESCRIPTION = (
    "dataset_description.json",
    "README",
    "participants.tsv",
    "participants.json",
    f"{TRUTH}/dataset_description.json",
)


class _Fixed:
    """A path of the folder."""

    def __init__(self, place: str) -> None:
        self.place = place

    def __get__(self, layout: RunLayout, owner: type) -> Path:
        return layout.root / self.place


class _Named:
    """A function from names (of a set, a method, ...) to a path of the folder."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.n = pattern, pattern.count("{}")

    def __get__(self, layout: RunLayout, owner: type) -> Callable[..., Path]:
        def path(*names: str | int) -> Path:
            if len(names) != self.n:
                raise TypeError(f"{self.pattern} takes {self.n} names, got {names}")
            return layout.root / self.pattern.format(*names)

        return path


@dataclass(frozen=True)
class RunLayout:
    """The paths of one run.

    Attributes:
        root: the results folder.

    >>> RunLayout(Path("results")).scores("{set}", "tkd").as_posix()
    'results/scores/{set}/tkd.parquet'
    """

    root: Path

    # Heads.
    source = _Fixed("source")
    source_about = _Fixed("source/source.json")
    # Synthetic sets, by name: the Zarr store, what was drawn and hashed of it (by shard), its tissue labels and their
    # names.
    store = _Named("synthetic/{}.zarr")
    drawn = _Named("synthetic/{}.hashes")
    shard_hashes = _Named("synthetic/{}.hashes/{}.json")
    labels = _Named("synthetic/{}.labels.zarr")
    label_names = _Named("synthetic/{}.labels.json")
    # Scans, by set and subject: simulated echoes and truth in BIDS, and the derivative of fields and masks;
    # measured fields; fields made of another set's scans.
    raw = _Named("acquisitions/{}")
    raw_subject = _Named("acquisitions/{}/sub-{}")
    truth_subject = _Named(f"acquisitions/{{}}/{TRUTH}/sub-{{}}")
    prepared = _Named("prepared/{}")
    prepared_subject = _Named("prepared/{}/sub-{}")
    measured = _Named("measured/{}")
    measured_subject = _Named("measured/{}/sub-{}")
    derived = _Named("derived/{}")
    derived_subject = _Named("derived/{}/sub-{}")
    field_errors = _Named("scores/fields/{}.csv")
    # Networks: weights, trained here or given; the course of the training, and the same as TensorBoard's event files,
    # which hold times of day and so lie beside the logs.
    weights = _Named("networks/{}.pt")
    training_record = _Named("networks/{}.csv")
    training_curves = _Named("logs/tensorboard/{}")
    # Tuning, by method: scores of one choice of parameters, what was chosen, and a row a choice.
    tuning_point = _Named("tuning/{}/{}.json")
    tuned = _Named("tuning/{}.json")
    tuning_table = _Named("tuning/{}.csv")
    # By set, of whatever kind, and method: the folder of the maps, in which the set's kind decides; what ran and how
    # each scan went; seconds a scan; scores.
    maps = _Named("reconstructions/{}/{}")
    map_status = _Named("reconstructions/{}/{}.json")
    timings = _Named("timings/{}/{}.csv")
    scores = _Named("scores/{}/{}.parquet")
    all_scores = _Fixed("scores.parquet")
    # The report.
    report = _Fixed("report")
    page = _Fixed("report/index.html")
    display = _Fixed("report/display.json")
    tables = _Fixed("report/tables")
    method_table = _Fixed("methods.md")
    # What made all this: the configuration with every default, which each step is given; records of jobs; the crate.
    config = _Fixed("provenance/config.json")
    records = _Fixed("provenance/jobs")
    crate = _Fixed("ro-crate-metadata.json")
    manifest = _Fixed("manifest-sha256.txt")

    def source_files(self, n_heads: int) -> list[Path]:
        """Every file of the source's folder."""
        return [self.source / name for name in source_files(n_heads)]

    def metadata(self, name: str) -> list[Path]:
        """Metadata of a synthetic set's store, which no shard's job writes."""
        return [self.store(name) / file for file in METADATA_FILES]

    def shard(self, name: str, shard: int | str) -> list[Path]:
        """Files of one shard of a store."""
        return [self.store(name) / file for file in shard_files(shard)]

    def inspection(self, name: str) -> list[Path]:
        """Pictures and tables of a synthetic set."""
        return [self.root / f"inspect/{name}" / file for file in INSPECTION_FILES]

    def raw_description(self, name: str) -> list[Path]:
        """What describes a simulated dataset as a whole."""
        return [self.raw(name) / file for file in RAW_DESCRIPTION]

    def log(self, rule: str, *wildcards: str) -> Path:
        """What a job printed."""
        return self.root / "logs" / Path(rule, *wildcards).with_suffix(".log")

    def benchmark(self, rule: str, *wildcards: str) -> Path:
        """Snakemake's record of a job's time and memory."""
        return self.root / "benchmarks" / Path(rule, *wildcards).with_suffix(".tsv")

    def relative(self, path: Path) -> str:
        """A path as manifest, records and findings name it."""
        return path.relative_to(self.root).as_posix()


def shard_files(shard: int | str) -> list[str]:
    """Paths, relative to the store, of the files of one shard (a number, or a wildcard such as ``{shard}``).

    >>> shard_files(3)[0]
    'chi/c/3/0/0/0'
    """
    return [f"{name}/c/{shard}/0/0/0" for name in VOLUMES] + [f"{name}/c/{shard}/0" for name in VECTORS]


def source_files(n_heads: int) -> list[str]:
    """Paths, relative to the source's folder, of the files of ``n_heads`` heads.

    >>> source_files(1)
    ['0/chi.nii.gz', '0/mask.nii.gz', '0/labels.nii.gz', '0/magnitude.nii.gz', 'source.json']
    """
    return [f"{head}/{name}" for head in range(n_heads) for name in HEAD_FILES] + ["source.json"]


def is_described_by(store: str | Path, attributes: dict[str, Any], samples_per_shard: int) -> bool:
    """Whether the metadata of a store, if there is one, say these attributes and this size of shards."""
    group, chi = (Path(store) / name for name in ("zarr.json", "chi/zarr.json"))
    if not (group.is_file() and chi.is_file()):
        return True
    found = json.loads(group.read_text(encoding="utf-8")).get("attributes", {})
    size = json.loads(chi.read_text(encoding="utf-8"))["chunk_grid"]["configuration"]["chunk_shape"][0]
    return size == samples_per_shard and all(found.get(key) == value for key, value in attributes.items())
