"""The text of a first configuration: templates filled with what the user said, commented, and checked before use."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from string import Template

import yaml

from qsmbench.benchmark.registry_checks import check_against_registries
from qsmbench.config.load import check_config
from qsmbench.core.errors import InputError
from qsmbench.methods.registry import METHODS

TEMPLATES = Path(__file__).parent / "init_files"
_WIDTH = 110
_SCANS = """
# A scan simulated from its echoes; scale 1 is the papers' matrix (docs/acquisitions.md).
acquisitions:
  research:
    kind: simulated
    label: Simulated research scan, 1.25 x 1.25 x 3 mm
    protocol: research      # or clinical
    subjects: [hemorrhage]
    scale: [2.5, 2.5, 1.5]
"""


def configuration_text(arguments: argparse.Namespace) -> str:
    """Return the YAML of what was asked for; it is valid.

    Raises:
        InputError: an unknown method, one that needs what cannot be told here, or a path that cannot be used.
    """
    methods = list(dict.fromkeys(arguments.methods))
    learned = [name for name in methods if METHODS.find(name).needs_weights]
    for name in learned:
        if METHODS[name].shipped_weights is None:
            known = ", ".join(n for n in METHODS if METHODS[n].shipped_weights is not None)
            raise InputError(f"method {name} is a network without weights of its own here; with weights: {known}")
    common = {
        "file": arguments.out.name,
        "results": scalar(str(arguments.results)),
        "label": scalar(arguments.label),
        "methods": "\n".join(_method(name) for name in methods) + "\n",
        "networks": _networks(learned),
    }
    if arguments.bids is not None:
        subjects = f"subjects: [{', '.join(scalar(s) for s in arguments.subjects)}]"
        filled = common | {
            "folder": scalar(str(arguments.bids)),
            "subjects": subjects
            if arguments.subjects
            else '# subjects: ["01", "02"]       # labels without sub-; by default all',
        }
    else:
        head = "  kind: phantom      # comes with qsmbench; or nifti with chi: FILE (ppm), or challenge2016 (245 MB)"
        if arguments.head is not None:
            head = f"  kind: nifti\n  chi: {scalar(str(arguments.head))}      # ppm"
        filled = common | {
            "source": head,
            "samples": str(arguments.samples),
            "shard": str(min(arguments.samples, 3)),
            "acquisitions": _SCANS if arguments.scans else "",
            "baseline": methods[0],
        }
    template = TEMPLATES / ("benchmark.yaml.txt" if arguments.bids is None else "bids.yaml.txt")
    text = Template(template.read_text(encoding="utf-8")).substitute(filled)
    check_against_registries(check_config(yaml.safe_load(text), arguments.out.name), arguments.out.name)
    return text


def scalar(value: str) -> str:
    """Return a text as YAML writes it on one line.

    >>> scalar("my scans"), scalar("01"), scalar("a: b")
    ('my scans', "'01'", "'a: b'")
    """
    return yaml.safe_dump(value, width=float("inf"), allow_unicode=True).removesuffix("\n").removesuffix("\n...")


def _method(name: str) -> str:
    """An entry, and above it what it is and which options it has."""
    entry = METHODS[name]
    comment = _wrapped(f"{entry.label}" + (f", doi {entry.doi}" if entry.doi else ""), "  # ")
    options = [f"{key}: {_shown(value)}" for key, value in entry.options.items()]
    if options:
        comment += "\n" + _wrapped(f"options: {{ {', '.join(options)} }}", "  #   ")
    return f"{comment}\n  {name}: {{ network: {name} }}" if entry.needs_weights else f"{comment}\n  {name}: {{}}"


def _shown(value: object) -> str:
    return yaml.safe_dump(list(value) if isinstance(value, tuple) else value, default_flow_style=True).split("\n")[0]


def _wrapped(text: str, prefix: str) -> str:
    lines, line = [], prefix
    for word in text.split(" "):
        if len(line) + len(word) > _WIDTH and line != prefix:
            lines.append(line.rstrip())
            line = prefix
        line += word + " "
    return "\n".join([*lines, line.rstrip()])


def _networks(names: Sequence[str]) -> str:
    if not names:
        return ""
    lines = "\n".join(f"  {name}: {{ weights: shipped:{name} }}" for name in names)
    comment = "# Trained networks that come with qsmbench (docs/networks.md tells what they are worth)."
    return f"\n{comment}\nnetworks:\n{lines}\n"
