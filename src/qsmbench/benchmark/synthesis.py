"""Make a synthetic set, a shard a job; a sample is a function of its set's name and its number alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from qsmbench.benchmark.source import head_and_draws, load_heads, read_about
from qsmbench.core.errors import InputError
from qsmbench.core.hashes import json_hash
from qsmbench.data import store
from qsmbench.data.atomic import write_json_atomic
from qsmbench.data.disk import check_space, set_bytes
from qsmbench.data.download import sha256_of
from qsmbench.data.layout import shard_files
from qsmbench.sets.samples import SyntheticSet
from qsmbench.simulation.recipe import Recipe
from qsmbench.simulation.sample import Sample, make_sample
from qsmbench.simulation.source import Heads


def create_set(path: Path, name: str, spec: SyntheticSet, seed: int, source_dir: Path) -> None:
    """Write a set's metadata: dimensions, units, recipe, and the hash of all that its samples are a function of."""
    heads = read_about(source_dir)
    attributes = {
        "title": f"qsmbench synthetic set {name}",
        "name": name,
        "drawn_as": spec.drawn_as(name),
        "seed": seed,
        "device": spec.device,
        "magnitude": spec.with_magnitude,
        "recipe": spec.recipe.model_dump(mode="json"),
        "heads": heads,
        "recipe_hash": recipe_hash(name, spec, seed, heads),
        # make_source has turned every head.
        "axis_codes": "RAS",
    }
    store.create_store(path, spec.recipe.shape, spec.n_samples, spec.samples_per_shard, attributes)


def recipe_hash(name: str, spec: SyntheticSet, seed: int, heads: list[dict[str, Any]]) -> str:
    """SHA-256 of everything that a set's samples depend on but the code: equal hashes, equal samples."""
    drawn_from = [{"weight": head["weight"], "b0_dir": list(head["b0_dir"]), "files": head["files"]} for head in heads]
    recipe = spec.recipe.model_dump(mode="json")
    drawn = {"name": spec.drawn_as(name), "seed": seed, "device": spec.device, "magnitude": spec.with_magnitude}
    return json_hash(drawn | {"recipe": recipe, "heads": drawn_from})


def sample_of(
    heads: Heads,
    recipe: Recipe,
    *,
    seed: int,
    name: str,
    number: int,
    device: torch.device | None = None,
    with_magnitude: bool = False,
) -> Sample:
    """Sample ``number`` as drawn for the set ``name``; its parameters tell the head too."""
    head, rng = head_and_draws(heads, seed=seed, name=name, number=number)
    sample = make_sample(heads.sources[head], recipe, rng, device, with_magnitude=with_magnitude)
    return replace(sample, parameters={"head": head} | sample.parameters)


def make_shard(
    *, source_dir: Path, store_path: Path, name: str, spec: SyntheticSet, shard: int, seed: int, hashes: Path
) -> None:
    """Make the samples of one shard, write them, and write the hashes of what was written.

    Args:
        source_dir: folder of the source.
        store_path: the store, whose metadata exists.
        name: of the set; part of every sample's seed, unless the set takes another's draws.
        spec: size and recipe of the set.
        shard: its number.
        seed: root seed of the run.
        hashes: JSON to write: per sample the drawn parameters and the SHA-256 of each variable, per file its SHA-256.

    Raises:
        InputError: metadata of another recipe; too little disk; no CUDA where it is asked for; a value too large.
    """
    expected = recipe_hash(name, spec, seed, read_about(source_dir))
    if store.attributes(store_path).get("recipe_hash") != expected:
        raise InputError(f"{store_path} was made for another recipe, seed or source; make its metadata with create-set")
    numbers = spec.in_shard(shard)
    kept = {"noisy": spec.recipe.noisy, "magnitude": spec.with_magnitude}
    need = set_bytes(spec.recipe.shape, len(numbers), **kept)
    check_space(store_path, need, f"shard {shard} of {name}")
    heads, device = load_heads(source_dir), _device(spec)
    drawn: list[dict[str, Any]] = []

    def samples() -> Iterator[store.StoredSample]:
        for number in tqdm(numbers, unit="sample", disable=None):
            drawn_as = spec.drawn_as(name)
            sample = sample_of(
                heads,
                spec.recipe,
                seed=seed,
                name=drawn_as,
                number=number,
                device=device,
                with_magnitude=spec.with_magnitude,
            )
            drawn.append(sample.parameters)
            yield _stored(sample, spec)

    contents = store.write_shard(store_path, shard, samples())
    rows = [
        {"sample": number, "parameters": parameters, "sha256": content}
        for number, parameters, content in zip(numbers, drawn, contents, strict=True)
    ]
    files = {file: sha256_of(store_path / file) for file in shard_files(shard)}
    write_json_atomic(hashes, {"set": name, "shard": shard, "seed": seed, "samples": rows, "files": files})


def _stored(sample: Sample, spec: SyntheticSet) -> store.StoredSample:
    volumes = (sample.chi, sample.local_field, sample.mask)
    noise = sample.field_noise if spec.with_magnitude else None
    return store.StoredSample(*volumes, sample.voxel_size, sample.b0_dir, sample.magnitude, noise)


def _device(spec: SyntheticSet) -> torch.device | None:
    if spec.device == "cpu":
        return None
    if not torch.cuda.is_available():
        raise InputError("device: cuda, but torch finds no CUDA device here; set device: cpu")
    return torch.device("cuda")
