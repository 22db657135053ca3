"""The tissue labels of a test set, in a store of their own."""

from __future__ import annotations

from pathlib import Path

from tqdm import tqdm

from qsmbench.benchmark.source import head_and_draws, load_heads, read_about
from qsmbench.data.atomic import write_json_atomic
from qsmbench.sets.samples import SyntheticSet
from qsmbench.sets.zarr_maps import create_volumes
from qsmbench.simulation.labels import BODY_NAMES, sample_labels


def make_labels(*, source_dir: Path, name: str, spec: SyntheticSet, seed: int, out: Path, names: Path) -> None:
    """Label every sample of a set.

    Args:
        source_dir: folder of the source.
        name: of the set; part of every sample's seed, unless the set takes another's draws.
        spec: size and recipe of the set.
        seed: root seed of the run.
        out: Zarr store to write: labels (sample, x, y, z), int16.
        names: JSON to write: label to name.
    """
    heads, drawn_as = load_heads(source_dir), spec.drawn_as(name)
    # Of the kinds of source only the phantom has labels, so heads of a mixture cannot disagree about names.
    known = {
        int(label): text
        for head in read_about(source_dir)
        for label, text in head["origin"].get("labels", {}).items()
        if int(label) != 0
    }
    volumes = create_volumes(
        out, "labels", spec.n_samples, spec.recipe.shape, "int16", long_name="tissue labels", units="1"
    )
    for number in tqdm(range(spec.n_samples), unit="sample", disable=None):
        head, rng = head_and_draws(heads, seed=seed, name=drawn_as, number=number)
        volumes[number] = sample_labels(heads.sources[head], spec.recipe, rng)
    write_json_atomic(names, {str(label): text for label, text in (known | BODY_NAMES).items()})
