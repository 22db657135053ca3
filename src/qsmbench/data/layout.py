"""Every path of a results folder, said once: rules, steps, report, audit, crate, disk plan and tests ask here.

A part of a path may be a wildcard, so that a rule says ``layout.scores("{set}", "{run}")``. Nothing but the standard
library is loaded.
"""

from __future__ import annotations

import json
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


@dataclass(frozen=True)
class RunLayout:
    """The paths of one run.

    Attributes:
        root: the results folder.
    """

    root: Path

    # Heads and synthetic sets

    @property
    def source(self) -> Path:
        """Folder of the heads."""
        return self.root / "source"

    @property
    def source_about(self) -> Path:
        """JSON that describes the heads."""
        return self.source / "source.json"

    def source_files(self, n_heads: int) -> list[Path]:
        """Every file of the source's folder."""
        return [self.source / name for name in source_files(n_heads)]

    def store(self, name: str) -> Path:
        """Zarr store of a synthetic set."""
        return self.root / f"synthetic/{name}.zarr"

    def metadata(self, name: str) -> list[Path]:
        """The store's metadata, which no shard's job writes."""
        return [self.store(name) / file for file in METADATA_FILES]

    def shard(self, name: str, shard: int | str) -> list[Path]:
        """Files of one shard of the store."""
        return [self.store(name) / file for file in shard_files(shard)]

    def drawn(self, name: str) -> Path:
        """Folder of what was drawn, and the hashes of what was stored."""
        return self.root / f"synthetic/{name}.hashes"

    def shard_hashes(self, name: str, shard: int | str) -> Path:
        """JSON of what one shard holds: drawn parameters and SHA-256 of every sample."""
        return self.drawn(name) / f"{shard}.json"

    def labels(self, name: str) -> Path:
        """Zarr store of the tissue labels of a synthetic set."""
        return self.root / f"synthetic/{name}.labels.zarr"

    def label_names(self, name: str) -> Path:
        """JSON that says what each label means."""
        return self.root / f"synthetic/{name}.labels.json"

    def inspection(self, name: str) -> list[Path]:
        """Pictures and tables of a synthetic set."""
        return [self.root / f"inspect/{name}" / file for file in INSPECTION_FILES]

    # Scans

    def raw(self, name: str) -> Path:
        """BIDS dataset of a simulated set."""
        return self.root / f"acquisitions/{name}"

    def raw_subject(self, name: str, subject: str) -> Path:
        """Echoes of one simulated subject."""
        return self.raw(name) / f"sub-{subject}"

    def raw_description(self, name: str) -> list[Path]:
        """What describes a simulated dataset as a whole."""
        return [self.raw(name) / file for file in RAW_DESCRIPTION]

    def truth_subject(self, name: str, subject: str) -> Path:
        """Truth of one simulated subject."""
        return self.raw(name) / TRUTH / f"sub-{subject}"

    def prepared(self, name: str) -> Path:
        """BIDS derivative of a set's fields and masks."""
        return self.root / f"prepared/{name}"

    def prepared_subject(self, name: str, subject: str) -> Path:
        """Fields and masks of one subject."""
        return self.prepared(name) / f"sub-{subject}"

    def field_errors(self, name: str) -> Path:
        """CSV of the errors of a simulated set's prepared fields."""
        return self.root / f"scores/fields/{name}.csv"

    # Networks and tuning

    def weights(self, network: str) -> Path:
        """Weights of a network, trained here or given."""
        return self.root / f"networks/{network}.pt"

    def training_record(self, network: str) -> Path:
        """CSV of a training's course."""
        return self.root / f"networks/{network}.csv"

    def training_curves(self, network: str) -> Path:
        """Event files of TensorBoard; times of day are in them, so they lie beside the logs."""
        return self.root / f"logs/tensorboard/{network}"

    def tuning_point(self, run: str, point: int | str) -> Path:
        """JSON of the scores of one choice of parameters."""
        return self.root / f"tuning/{run}/{point}.json"

    def tuned(self, run: str) -> Path:
        """JSON of the parameters that were chosen."""
        return self.root / f"tuning/{run}.json"

    def tuning_table(self, run: str) -> Path:
        """CSV, a row a choice of parameters."""
        return self.root / f"tuning/{run}.csv"

    # Reconstructions and scores of every kind of set

    def maps(self, name: str, run: str) -> Path:
        """Folder of a method's maps of a set; what lies in it is the set's business."""
        return self.root / f"reconstructions/{name}/{run}"

    def map_status(self, name: str, run: str) -> Path:
        """JSON that came with them: what ran, and how each scan went."""
        return self.root / f"reconstructions/{name}/{run}.json"

    def timings(self, name: str, run: str) -> Path:
        """CSV of seconds a scan."""
        return self.root / f"timings/{name}/{run}.csv"

    def scores(self, name: str, run: str) -> Path:
        """Parquet of a method's scores on a set."""
        return self.root / f"scores/{name}/{run}.parquet"

    @property
    def all_scores(self) -> Path:
        """Parquet of all scores."""
        return self.root / "scores.parquet"

    # Report and description

    @property
    def report(self) -> Path:
        """Folder of the report."""
        return self.root / "report"

    @property
    def page(self) -> Path:
        """The report's page."""
        return self.report / "index.html"

    @property
    def display(self) -> Path:
        """JSON of labels and order of what is shown."""
        return self.report / "display.json"

    @property
    def tables(self) -> Path:
        """Folder of the report's tables."""
        return self.report / "tables"

    @property
    def method_table(self) -> Path:
        """Markdown of errors and costs."""
        return self.root / "methods.md"

    @property
    def config(self) -> Path:
        """JSON of the whole configuration with every default, which each step is given."""
        return self.root / "provenance/config.json"

    @property
    def records(self) -> Path:
        """Folder of the records of jobs."""
        return self.root / "provenance/jobs"

    @property
    def crate(self) -> Path:
        """The RO-Crate's metadata."""
        return self.root / "ro-crate-metadata.json"

    @property
    def manifest(self) -> Path:
        """SHA-256 of every file."""
        return self.root / "manifest-sha256.txt"

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
