"""Heads from their origin; samples from recipe, seed and head."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from qsmbench.audit.again.contract import Again
from qsmbench.audit.tolerance import SAMPLE_PPM, Agreement, compare_labels, compare_steps
from qsmbench.benchmark.source import head_and_draws, load_heads, make_source
from qsmbench.benchmark.synthesis import sample_of
from qsmbench.data.layout import OPTIONAL, VECTORS, VOLUMES
from qsmbench.data.store import STEP, encode, encode_bright
from qsmbench.data.stored_arrays import open_array, open_group
from qsmbench.sets.samples import SyntheticSet
from qsmbench.simulation.labels import sample_labels
from qsmbench.simulation.source import Heads


def heads(again: Again) -> list[Agreement]:
    """The source folder, from the phantom or from the user's file."""
    run, layout = again.run, again.run.layout
    if not run.config.synthetic:
        return []
    with tempfile.TemporaryDirectory() as temporary:
        origin = Path(temporary)
        spec = again.located(run.config.source)
        there = run.has(layout.source_about) and (layout.source / "0/chi.nii.gz").is_file()
        if spec is not None:
            make_source(spec, origin)
        elif not there:
            text = "Synthetic samples: the folder has no source; give the head with --source FILE."
            again.check.skipped.append(text)
            return []
        again.heads = load_heads(layout.source if there else origin)
        return again.compare_folders(origin, layout.source) if spec is not None and there else []


def samples(again: Again) -> list[Agreement]:
    """Every volume of some samples, and their tissue labels."""
    if again.heads is None:
        return []
    layout, synthetic = again.run.layout, again.run.config.synthetic
    things = [
        (name, number)
        for name, spec in synthetic.items()
        for number in range(spec.n_samples)
        if layout.store(name).is_dir()
    ]
    found: list[Agreement] = []
    for name, number in again.choose("samples", things):
        found += _sample(again, again.heads, name, synthetic[name], number)
    return found


def _sample(again: Again, heads: Heads, name: str, spec: SyntheticSet, number: int) -> list[Agreement]:
    layout, seed, drawn_as = again.run.layout, again.run.config.seed, spec.drawn_as(name)
    store = layout.store(name)
    where = f"{again.run.name(store)}, sample {number}"
    group = open_group(store)
    there = [key for key in (*VOLUMES, *VECTORS) if key in group]
    stored = {key: np.asarray(open_array(store / key)[number]) for key in there}
    draws: dict[str, Any] = {"seed": seed, "name": drawn_as, "number": number}
    sample = sample_of(heads, spec.recipe, with_magnitude=spec.with_magnitude, **draws)
    found = []
    for key in ("chi", "local_field"):
        made = encode(getattr(sample, key), key)
        found.append(again.judge(f"{where}, {key}", compare_steps(made, stored[key], SAMPLE_PPM / STEP)))
    for key in OPTIONAL:
        volume = getattr(sample, key)
        if volume is not None and key in stored and spec.with_magnitude:
            made = encode_bright(volume, key, key)
            found.append(again.judge(f"{where}, {key}", compare_steps(made, stored[key], 1.0)))
    mask = np.asarray(sample.mask, np.uint8)
    found.append(again.judge(f"{where}, mask", compare_labels(mask, stored["mask"])))
    for key in VECTORS:
        made = np.asarray(getattr(sample, key), np.float64)
        found.append(again.judge(f"{where}, {key}", compare_steps(made, stored[key], 1e-9)))
    labels = layout.labels(name)
    if labels.is_dir():
        head, rng = head_and_draws(heads, seed=seed, name=drawn_as, number=number)
        made = sample_labels(heads.sources[head], spec.recipe, rng)
        old = np.asarray(open_array(labels / "labels")[number])
        found.append(again.judge(f"{again.run.name(labels)}, sample {number}", compare_labels(made, old)))
    return found
