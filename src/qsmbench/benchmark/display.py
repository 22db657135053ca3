"""What tables and figures call sets, methods and metrics, from configuration and registries."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any

from qsmbench.benchmark.run import Run
from qsmbench.config.model import Config, MethodRun
from qsmbench.config.networks import Network
from qsmbench.core.hashes import json_hash
from qsmbench.foreign.manifest import read_manifest
from qsmbench.methods.registry import Entry, find
from qsmbench.metrics.registry import METRICS
from qsmbench.networks.weights import load_network
from qsmbench.provenance.version import code_version


def display(of: Run) -> dict[str, Any]:
    """Return labels, sources and order of sets, methods and metrics for the report, and what made them."""
    config, methods = of.config, {}
    for key, run in config.methods.items():
        entry = find(run.method or key)
        options = entry.resolved(run.options)
        methods[key] = {
            "label": run_label(config, key),
            "doi": entry.doi,
            "method": entry.name,
            "options": options,
            "summary": _summary(entry),
            "begins": _begins(run),
            "option_notes": {f.name: f.metadata.get("doc", "") for f in fields(entry.method) if f.name in options},
        }
    sets = {
        name: {"label": config.sets[name].label or name, "description": scans.description}
        for name, scans in of.sets.items()
    }
    names = list(config.evaluation.metrics) or list(METRICS)
    metrics = {
        name: {
            "label": m.label,
            "unit": m.unit,
            "better": m.better,
            "doi": m.doi,
            "definition": m.definition,
            "ranked": m.ranked,
        }
        for name, m in METRICS.items()
        if name in names or name == "coverage"
    }
    return {
        "title": config.report.title,
        "sets": sets,
        "methods": methods,
        "metrics": metrics,
        "config": of.resolved,
        "provenance": {"code_version": code_version(), "config_hash": json_hash(of.resolved)},
        "n_samples_shown": config.report.subjects_shown,
        "viewer_megabytes": config.report.viewer_megabytes,
        "baseline": config.report.baseline,
        "tables": {name: table.model_dump(mode="json") for name, table in config.report.tables.items()},
        "trained_range": trained_range(config),
    }


def _summary(entry: Entry) -> str:
    """The first paragraph of the method's docstring, in one line."""
    return " ".join(inspect.cleandoc(entry.method.__doc__ or "").partition("\n\n")[0].split())


def _begins(run: MethodRun) -> str:
    """Whether a run begins at the local field, or earlier as a whole pipeline does."""
    return "earlier" if run.command is not None and read_manifest(run.command).stage != "dipole" else "field"


def run_label(config: Config, key: str) -> str:
    """How tables call a run."""
    run = config.methods[key]
    if run.command is not None and run.label is None:
        return read_manifest(run.command).name
    return run.label or find(run.method or key).label + (" (tuned)" if run.tuning is not None else "")


def trained_range(config: Config) -> dict[str, dict[str, list[float]]]:
    """Return, by method, the least and the greatest voxel size (mm) that its network was trained on."""
    ranges = {}
    for key, run in config.methods.items():
        if run.network is not None:
            network = config.networks[run.network]
            weights = network.start if isinstance(network, Network) else network.weights
            if weights is None:
                assert isinstance(network, Network)
                trained_on = config.synthetic[network.train_set].recipe.voxel_size
                low, high = trained_on.min, trained_on.max
            else:
                # A network that goes on learning keeps the range that it is told voxel sizes in.
                low, high = load_network(weights).scaling.trained_range
            ranges[key] = {"min": [round(v, 4) for v in low], "max": [round(v, 4) for v in high]}
    return ranges
