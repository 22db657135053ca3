"""The tissue labels of a test set, in a store of their own."""

from __future__ import annotations

from typing import Any

from tqdm import tqdm

from qsmbench.benchmark.run import Run
from qsmbench.benchmark.source import head_and_draws, load_heads, read_about
from qsmbench.data.atomic import write_json_atomic
from qsmbench.sets.zarr_maps import create_volumes
from qsmbench.simulation.labels import BODY_NAMES, sample_labels


def make_labels(of: Run, set: str) -> None:
    """Label every sample of a set: a store of labels (sample, x, y, z), int16, and JSON with the name of each label."""
    spec, layout = of.config.synthetic[set], of.layout
    heads = load_heads(layout.source)
    draws: dict[str, Any] = {"seed": of.config.seed, "name": spec.drawn_as(set)}
    # Of the kinds of source only the phantom has labels, so heads of a mixture cannot disagree about names.
    known = {
        int(label): text
        for head in read_about(layout.source)
        for label, text in head["origin"].get("labels", {}).items()
        if int(label) != 0
    }
    volumes = create_volumes(
        layout.labels(set), "labels", spec.n_samples, spec.recipe.shape, "int16", long_name="tissue labels", units="1"
    )
    for number in tqdm(range(spec.n_samples), unit="sample", disable=None):
        head, rng = head_and_draws(heads, number=number, **draws)
        volumes[number] = sample_labels(heads.sources[head], spec.recipe, rng)
    write_json_atomic(layout.label_names(set), {str(label): text for label, text in (known | BODY_NAMES).items()})
