"""What a configuration means in terms of the registries: checks, names for tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qsmbench.benchmark.evaluation import config_hash
from qsmbench.config.model import Config
from qsmbench.core.errors import InputError
from qsmbench.methods.registry import build, find, nearest
from qsmbench.metrics.registry import METRICS
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
            build(entry.name, run.options, Path(run.network) if run.network else None)
        except InputError as error:
            complaints.append(f"{name}: methods.{key}: {error}")
    for metric in config.evaluation.metrics:
        if metric not in METRICS:
            known = ", ".join(METRICS)
            complaints.append(
                f"{name}: evaluation.metrics: unknown metric '{metric}'{nearest(metric, METRICS)}; known: {known}"
            )
    if complaints:
        raise InputError("\n".join(complaints))


def display(config: Config) -> dict[str, Any]:
    """Return labels, sources and order of sets, methods and metrics for the report, and what made them."""
    methods = {}
    for key, run in config.methods.items():
        entry = find(run.method or key)
        options = entry.options | run.options
        label = run.label or entry.label
        methods[key] = {"label": label, "doi": entry.doi, "method": entry.name, "options": options}
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
        name: {"label": m.label, "unit": m.unit, "better": m.better, "doi": m.doi}
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
    }
