"""A configuration against the registries of methods and metrics, before the first job."""

from __future__ import annotations

from pathlib import Path

from qsmbench.benchmark.run import Run
from qsmbench.config.model import Config
from qsmbench.config.networks import Network
from qsmbench.core.errors import InputError
from qsmbench.core.registry import nearest
from qsmbench.methods.registry import Entry, build, find
from qsmbench.metrics.registry import METRICS, map_metrics
from qsmbench.networks.shipped import suffix_of
from qsmbench.networks.start import check_start
from qsmbench.networks.weights import check_network
from qsmbench.preparation.background.command import manifest_of
from qsmbench.preparation.settings import ForeignRemoval
from qsmbench.sets.derived import RemovalSet


def _check_first_maps(config: Config, entry: Entry, network: str | None) -> None:
    """Whether a network is the kind that its method says: with or without first maps."""
    corrects, section = entry.fixed.get("corrects"), config.networks.get(network or "")
    if corrects is None or not isinstance(section, Network):
        return
    suffix = suffix_of(section.first_map)
    if corrects != suffix:
        what = (
            f"corrects the map of another method (first_map: {section.first_map})" if suffix else "sees the field alone"
        )
        raise InputError(f"network {network} {what}: that is method {entry.name.removesuffix(corrects)}{suffix}")


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
            _check_first_maps(config, entry, run.network)
            if run.tuning is not None:
                if run.tuning.metric not in map_metrics():
                    raise InputError(f"tuning.metric: unknown metric '{run.tuning.metric}'")
                for point in run.tuning.points:
                    build(entry.name, run.options | point, weights)
        except InputError as error:
            complaints.append(f"{name}: methods.{key}: {error}")
    for key, spec in config.acquisitions.items():
        if isinstance(removal := spec.removal, ForeignRemoval):
            try:
                manifest_of(removal)
            except InputError as error:
                place = "background" if isinstance(spec, RemovalSet) else "preparation.background"
                complaints.append(f"{name}: acquisitions.{key}.{place}: {error}")
    for key, network in config.networks.items():
        try:
            if not isinstance(network, Network):
                check_network(network.weights)
            elif network.start is not None:
                check_start(network.start, network.architecture, network.options)
        except InputError as error:
            weights_key = "start" if isinstance(network, Network) else "weights"
            complaints.append(f"{name}: networks.{key}.{weights_key}: {error}")
    for metric in config.evaluation.metrics:
        if metric not in METRICS:
            known = ", ".join(METRICS)
            complaints.append(
                f"{name}: evaluation.metrics: unknown metric '{metric}'{nearest(metric, METRICS)}; known: {known}"
            )
    sets = set(Run(config).scored)
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
