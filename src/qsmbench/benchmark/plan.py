"""What a configuration means in terms of the registries: checks, names for tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qsmbench.benchmark.evaluation import config_hash
from qsmbench.config.model import Config
from qsmbench.config.networks import Network
from qsmbench.core.errors import InputError
from qsmbench.core.registry import nearest
from qsmbench.methods.registry import build, find
from qsmbench.metrics.registry import METRICS, map_metrics
from qsmbench.networks.weights import load_network
from qsmbench.provenance.version import code_version


def check_against_registries(config: Config, name: str) -> None:
    """Check methods, options and metrics; all complaints together, a line each.

    Raises:
        InputError: an unknown method, option or metric, a bad value, or a network missing or too many.
    """
    complaints = []
    for key, run in config.methods.items():
        try:
            entry = find(run.method or key)
            if entry.needs_weights and run.network is None:
                raise InputError(f"{entry.name} is a trained network: say which with 'network'")
            # Building checks the options; the weights are only read when the method runs.
            weights = Path(run.network) if run.network else None
            build(entry.name, run.options, weights)
            if run.tuning is not None:
                if run.tuning.metric not in map_metrics():
                    raise InputError(f"tuning.metric: unknown metric '{run.tuning.metric}'")
                for point in run.tuning.points:
                    build(entry.name, run.options | point, weights)
        except InputError as error:
            complaints.append(f"{name}: methods.{key}: {error}")
    for key, network in config.networks.items():
        weights_key = "start" if isinstance(network, Network) else "weights"
        if (file := getattr(network, weights_key)) is not None:
            try:
                load_network(file)
            except InputError as error:
                complaints.append(f"{name}: networks.{key}.{weights_key}: {error}")
    for metric in config.evaluation.metrics:
        if metric not in METRICS:
            known = ", ".join(METRICS)
            complaints.append(
                f"{name}: evaluation.metrics: unknown metric '{metric}'{nearest(metric, METRICS)}; known: {known}"
            )
    sets = {name for name, spec in config.synthetic.items() if spec.role == "test"}
    sets |= {name for name, spec in config.acquisitions.items() if spec.kind == "simulated"}
    # Files of the sets and of the whole run have these names.
    taken = {*sets, *(f"{name}-regions" for name in sets), "all", "comparisons"}
    for key, table in config.report.tables.items():
        if key in taken:
            complaints.append(f"{name}: report.tables.{key}: that file is another table's; choose another name")
        for kind, names, known_names in (
            ("sets", table.sets, sets),
            ("methods", table.methods, set(config.methods)),
            ("metrics", table.metrics, set(METRICS)),
        ):
            complaints += [
                f"{name}: report.tables.{key}.{kind}: unknown '{word}'{nearest(word, sorted(known_names))}"
                for word in names
                if word not in known_names
            ]
    if config.report.baseline is not None and config.report.baseline not in config.methods:
        complaints.append(f"{name}: report.baseline: no method is named '{config.report.baseline}'")
    if complaints:
        raise InputError("\n".join(complaints))


def display(config: Config) -> dict[str, Any]:
    """Return labels, sources and order of sets, methods and metrics for the report, and what made them."""
    methods = {}
    for key, run in config.methods.items():
        entry = find(run.method or key)
        options = entry.resolved(run.options)
        methods[key] = {"label": run_label(config, key), "doi": entry.doi, "method": entry.name, "options": options}
    sets = {
        name: {"label": spec.label or name, "description": f"{spec.n_samples} synthetic samples"}
        for name, spec in config.synthetic.items()
        if spec.role == "test"
    }
    for name, scans in config.acquisitions.items():
        if scans.kind == "simulated":
            text = f"{len(scans.subjects)} simulated {scans.protocol} scans, prepared from their echoes"
        else:
            text = "scans without a known truth, prepared from their echoes: maps, and no scores"
        sets[name] = {"label": scans.label or name, "description": text}
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
    resolved = config.model_dump(mode="json")
    return {
        "title": config.report.title,
        "sets": sets,
        "methods": methods,
        "metrics": metrics,
        "config": resolved,
        "provenance": {"code_version": code_version(), "config_hash": config_hash(resolved)},
        "n_samples_shown": config.report.subjects_shown,
        "viewer_megabytes": config.report.viewer_megabytes,
        "baseline": config.report.baseline,
        "tables": {name: table.model_dump(mode="json") for name, table in config.report.tables.items()},
        "trained_range": trained_range(config),
    }


def run_label(config: Config, key: str) -> str:
    """How tables call a run."""
    run = config.methods[key]
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
