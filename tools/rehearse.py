"""Write a configuration of the same graph in which everything is little, to try a long run within minutes.

    python tools/rehearse.py configs/paper-small.yaml rehearsal.yaml
    snakemake --cores 2 --configfile rehearsal.yaml

Sets, methods, networks and tables keep their names, so that every rule, table and figure of the long run is made once.
Synthetic samples and scans keep their field of view with larger voxels, sets have just as many samples as a paired test
needs, networks learn for some steps. The scores say nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from math import ceil, prod
from pathlib import Path
from typing import Any

import yaml

from qsmbench.core.yaml_text import read_mapping
from qsmbench.report.comparisons import MIN_PAIRS

# Voxels of a sample, and by how much a scan's are larger.
VOXELS = 64_000
COARSER = (3.0, 3.0, 1.5)
STEPS = 4
# A network halves a volume as often as it has levels but one.
LEAST = 16


def main() -> None:
    """Read the long one, write the little one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, help="of the long run")
    parser.add_argument("out", type=Path, help="configuration to write")
    given = parser.parse_args()
    little = rehearsal(read_mapping(given.config))
    given.out.write_text(yaml.safe_dump(little, sort_keys=False, allow_unicode=True), encoding="utf-8")


def rehearsal(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a configuration with little sets, scans and trainings."""
    little = dict(content)
    little["results"] = f"{content.get('results', 'results')}-rehearsal"
    little["synthetic"] = {name: _little_set(spec) for name, spec in content.get("synthetic", {}).items()}
    little["acquisitions"] = {
        name: {**spec, "scale": list(COARSER), "subjects": spec["subjects"][:1]}
        if spec.get("kind") == "simulated"
        else spec
        for name, spec in content.get("acquisitions", {}).items()
    }
    little["networks"] = {
        name: spec
        if "weights" in spec
        else {
            **spec, "steps": STEPS, "batch_size": 2, "validation_steps": STEPS // 2, "checkpoint_steps": STEPS // 2,
            "validation_volumes": 1,
        }
        for name, spec in content.get("networks", {}).items()
    }  # fmt: skip
    return little


def _little_set(spec: Mapping[str, Any]) -> dict[str, Any]:
    recipe = dict(spec["recipe"])
    factor = max(1.0, (prod(recipe["shape"]) / VOXELS) ** (1 / 3))
    recipe["shape"] = [max(LEAST, round(n / factor)) for n in recipe["shape"]]
    if "voxel_size" in recipe:
        recipe["voxel_size"] = {
            end: [round(factor * v, 3) for v in recipe["voxel_size"][end]] for end in ("min", "max")
        }
    n = min(spec["n_samples"], MIN_PAIRS)
    return {**spec, "recipe": recipe, "n_samples": n, "samples_per_shard": ceil(n / 2)}


if __name__ == "__main__":
    main()
