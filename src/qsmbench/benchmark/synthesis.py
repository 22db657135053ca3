"""Step 2: make a synthetic set, a shard a job; a sample is a function of its set's name and its number alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from qsmbench.benchmark.source import load_source
from qsmbench.config.model import SyntheticSet
from qsmbench.core.seeds import generator_for
from qsmbench.data import store
from qsmbench.data.atomic import write_json_atomic
from qsmbench.data.download import sha256_of
from qsmbench.data.layout import shard_files
from qsmbench.simulation.sample import make_sample


def create_set(path: Path, name: str, spec: SyntheticSet, seed: int) -> None:
    """Write a set's metadata: dimensions, units, recipe."""
    attributes = {
        "title": f"qsmbench synthetic set {name}",
        "name": name,
        "seed": seed,
        "recipe": spec.recipe.model_dump(mode="json"),
    }
    store.create_store(path, spec.recipe.shape, spec.n_samples, spec.samples_per_shard, attributes)


def make_shard(
    *, source_dir: Path, store_path: Path, name: str, spec: SyntheticSet, shard: int, seed: int, hashes: Path
) -> None:
    """Make the samples of one shard, write them, and write the hashes of what was written.

    Args:
        source_dir: folder of the source.
        store_path: the store, whose metadata exists.
        name: of the set; part of every sample's seed.
        spec: size and recipe of the set.
        shard: its number.
        seed: root seed of the run.
        hashes: JSON to write: per sample the drawn parameters and the SHA-256 of each variable, per file its SHA-256.
    """
    source = load_source(source_dir)
    first = shard * spec.samples_per_shard
    numbers = range(first, min(first + spec.samples_per_shard, spec.n_samples))
    drawn: list[dict[str, Any]] = []

    def samples() -> Iterator[store.Sample]:
        for number in tqdm(numbers, unit="sample", disable=None):
            sample = make_sample(source, spec.recipe, generator_for(seed, f"synthetic/{name}", number))
            drawn.append(sample.parameters)
            yield store.Sample(sample.chi, sample.local_field, sample.mask, sample.voxel_size, sample.b0_dir)

    contents = store.write_shard(store_path, shard, samples())
    rows = [
        {"sample": number, "parameters": parameters, "sha256": content}
        for number, parameters, content in zip(numbers, drawn, contents, strict=True)
    ]
    files = {file: sha256_of(store_path / file) for file in shard_files(shard)}
    write_json_atomic(hashes, {"set": name, "shard": shard, "seed": seed, "samples": rows, "files": files})
