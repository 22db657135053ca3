"""Make a synthetic set, a shard a job; a sample is a function of its set's name and its number alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from tqdm import tqdm

from qsmbench.benchmark.run import Run
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


def create_set(of: Run, set: str) -> None:
    """Write a set's metadata: dimensions, units, recipe, and the hash of all that its samples are a function of."""
    spec, seed, heads = of.config.synthetic[set], of.config.seed, read_about(of.layout.source)
    attributes = {
        "title": f"qsmbench synthetic set {set}",
        "name": set,
        "drawn_as": spec.drawn_as(set),
        "seed": seed,
        "device": spec.device,
        "magnitude": spec.with_magnitude,
        "recipe": spec.recipe.model_dump(mode="json"),
        "heads": heads,
        "recipe_hash": recipe_hash(set, spec, seed, heads),
        # make_source has turned every head.
        "axis_codes": "RAS",
    }
    store.create_store(of.layout.store(set), spec.recipe.shape, spec.n_samples, spec.samples_per_shard, attributes)


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


def make_shard(of: Run, set: str, shard: str) -> None:
    """Make the samples of one shard, write them, and write the hashes of what was written.

    The JSON of a shard has per sample the drawn parameters and the SHA-256 of each variable, per file its SHA-256.

    Raises:
        InputError: metadata of another recipe; too little disk; no CUDA where it is asked for; a value too large.
    """
    spec, seed, layout, number_of = of.config.synthetic[set], of.config.seed, of.layout, int(shard)
    path = layout.store(set)
    if store.attributes(path).get("recipe_hash") != recipe_hash(set, spec, seed, read_about(layout.source)):
        raise InputError(f"{path} was made for another recipe, seed or source; make its metadata with create-set")
    numbers = spec.in_shard(number_of)
    kept = {"noisy": spec.recipe.noisy, "magnitude": spec.with_magnitude}
    check_space(path, set_bytes(spec.recipe.shape, len(numbers), **kept), f"shard {shard} of {set}")
    # Jobs run side by side, and one FFT on two threads is slower than two on one.
    torch.set_num_threads(1)
    heads, device = load_heads(layout.source), _device(spec)
    draws: dict[str, Any] = {"seed": seed, "name": spec.drawn_as(set), "device": device}
    drawn: list[dict[str, Any]] = []

    def samples() -> Iterator[store.StoredSample]:
        for number in tqdm(numbers, unit="sample", disable=None):
            sample = sample_of(heads, spec.recipe, number=number, with_magnitude=spec.with_magnitude, **draws)
            drawn.append(sample.parameters)
            yield _stored(sample, spec)

    contents = store.write_shard(path, number_of, samples())
    rows = [
        {"sample": number, "parameters": parameters, "sha256": content}
        for number, parameters, content in zip(numbers, drawn, contents, strict=True)
    ]
    files = {file: sha256_of(path / file) for file in shard_files(shard)}
    about = {"set": set, "shard": number_of, "seed": seed, "samples": rows, "files": files}
    write_json_atomic(layout.shard_hashes(set, shard), about)


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
