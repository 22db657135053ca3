"""`qsmbench methods`: what there is to run, and the metrics it is scored with."""

import argparse
import json
from dataclasses import fields

from qsmbench.methods.registry import METHODS, Entry
from qsmbench.metrics.registry import METRICS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--metrics", action="store_true", help="list the metrics instead")


def run(arguments: argparse.Namespace) -> None:
    """Print the list."""
    if arguments.metrics:
        for metric in METRICS.values():
            unit = f" [{metric.unit}]" if metric.unit else ""
            needs = f"; needs {' and '.join(need.replace('_', ' ') for need in metric.needs)}" if metric.needs else ""
            ranked = "" if metric.ranked else ", not ranked in tables"
            source = f"; doi {metric.doi}" if metric.doi else ""
            print(f"{metric.name:21} {metric.label}{unit}, {metric.better} is better{ranked}{needs}{source}")
    elif arguments.json:
        print(json.dumps([_as_dict(entry) for entry in METHODS.values()], indent=2))
    else:
        print("\n\n".join(_as_text(entry) for entry in METHODS.values()))


def _as_dict(entry: Entry) -> dict[str, object]:
    docs = {f.name: f.metadata.get("doc", "") for f in fields(entry.method)}
    parameters = {name: {"default": value, "doc": docs[name]} for name, value in entry.options.items()}
    return {
        "name": entry.name,
        "label": entry.label,
        "doi": entry.doi,
        "needs_weights": entry.needs_weights,
        "parameters": parameters,
    }


def _as_text(entry: Entry) -> str:
    lines = [f"{entry.name}  {entry.label}" + (f", doi {entry.doi}" if entry.doi else "")]
    if entry.needs_weights:
        lines.append("    --weights FILE: a trained network")
    docs = {f.name: f.metadata.get("doc", "") for f in fields(entry.method)}
    lines += [f"    {name}={value}: {docs[name]}" for name, value in entry.options.items()]
    return "\n".join(lines)
