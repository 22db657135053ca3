"""`qsmbench export-qsmci METHOD`: a method of ours as a folder that QSM-CI runs (https://github.com/QSMxT/QSM-CI).

An inversion becomes a folder of the stage dipole, a background removal one of the stage bfr. Its script calls the
public Python face; what ran is what `qsmbench reconstruct` or the preparation runs.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Any

import yaml
from pydantic import ValidationError

from qsmbench.cli.common import parse_options
from qsmbench.core.errors import InputError
from qsmbench.core.registry import nearest
from qsmbench.foreign.manifest import MANIFEST, STAGES
from qsmbench.methods.registry import METHODS, build
from qsmbench.networks.shipped import PREFIX
from qsmbench.networks.weights import load_network
from qsmbench.preparation.settings import BACKGROUNDS, PreparationSettings

TEMPLATES = Path(__file__).parent / "export_qsmci_files"
# Somebody else's folder is one already.
_NOT_OURS = "command"

_DOIS = {
    "resharp": "10.1002/mrm.24765",
    "vsharp": "10.1016/j.neuroimage.2010.11.088",
    "pdf": "10.1002/nbm.1670",
    "lbv": "10.1002/nbm.3064",
    "ismv": "10.1002/mrm.24998",
    "sharp": "10.1016/j.neuroimage.2010.10.070",
}


@dataclass(frozen=True)
class Exported:
    """What the folder's files say of a method."""

    method: str
    label: str
    stage: str
    doi: str
    description: str
    parameters: list[dict[str, Any]]
    options: Mapping[str, Any]
    weights: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("method", metavar="METHOD", help="an inversion ('qsmbench methods') or a background removal")
    parser.add_argument("--out-dir", type=Path, required=True, help="where to make the folder qsmbench-METHOD")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="parameter of the method")
    parser.add_argument("--weights", type=Path, help="weights of a network: a file, which is copied, or shipped:NAME")
    parser.add_argument(
        "--image", help="of the container that is to run it (default: ghcr.io/you/qsmbench-METHOD:VERSION)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the folder."""
    name, options = arguments.method, parse_options(arguments.option)
    if name in BACKGROUNDS and name != _NOT_OURS:
        if arguments.weights is not None:
            raise InputError(f"{name} is a background removal: it takes no --weights")
        exported = _removal(name, options)
    elif name in METHODS and name != _NOT_OURS:
        exported = _inversion(name, options, arguments.weights)
    else:
        known = [*METHODS, *BACKGROUNDS]
        raise InputError(f"no method or background removal of ours is called '{name}'{nearest(name, known)}")
    folder = arguments.out_dir / f"qsmbench-{name}"
    if folder.exists():
        raise InputError(f"{folder} exists already; remove it or choose another --out-dir")
    image = arguments.image or f"ghcr.io/you/{folder.name}:{version('qsmbench')}"
    files = _files(exported, folder.name, image)
    folder.mkdir(parents=True)
    for path, text in files.items():
        (folder / path).write_text(text, encoding="utf-8")
    (folder / "run.sh").chmod(0o755)
    if exported.weights is not None and not exported.weights.startswith(PREFIX):
        shutil.copyfile(arguments.weights, folder / exported.weights)
    inputs = " ".join(f"--{volume} {volume}.nii.gz" for volume in STAGES[exported.stage][0])
    print(f"{folder} is made. Now: qsm-ci run {folder} --runner local {inputs}")


def _inversion(name: str, options: dict[str, Any], weights: Path | None) -> Exported:
    entry = METHODS.find(name)
    chosen = weights or entry.shipped_weights
    method = build(name, options, chosen)
    if chosen is not None:
        load_network(chosen)
    about = {f.name: f.metadata.get("doc", "") for f in fields(entry.method)}
    values = {key: getattr(method, key) for key in entry.options}
    kept = None if chosen is None else str(chosen) if str(chosen).startswith(PREFIX) else f"weights{chosen.suffix}"
    return Exported(
        method=name,
        label=entry.label,
        stage="dipole",
        doi=entry.doi,
        description=(entry.method.__doc__ or entry.label).strip().splitlines()[0],
        parameters=[_parameter(key, value, about[key]) for key, value in values.items()],
        options={key: values[key] for key in options},
        weights=kept,
    )


def _removal(name: str, options: dict[str, Any]) -> Exported:
    try:
        settings = PreparationSettings.model_validate({"background": {"kind": name, **options}}).background
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{name}: {first['loc'][-1]}: {first['msg']}") from error
    section = type(settings)
    about = {key: info.description or "" for key, info in section.model_fields.items() if key != "kind"}
    text = (section.__doc__ or name).strip().splitlines()[0]
    return Exported(
        method=name,
        label=text.partition(":")[0] if ":" in text else name,
        stage="bfr",
        doi=_DOIS.get(name, ""),
        description=text,
        parameters=[_parameter(key, getattr(settings, key), doc) for key, doc in about.items()],
        options={key: getattr(settings, key) for key in options},
    )


def _parameter(name: str, value: Any, doc: str) -> dict[str, Any]:
    plain = value if isinstance(value, bool | int | float | str | None) else str(value)
    return {"name": name, "default": plain, "description": doc}


def _files(exported: Exported, slug: str, image: str) -> dict[str, str]:
    needs, made = STAGES[exported.stage]
    manifest: dict[str, Any] = {
        "name": f"{exported.label} (qsmbench)",
        "slug": slug,
        "stage": exported.stage,
        "description": exported.description,
        "doi": exported.doi or None,
        "license": "BSD-3-Clause",
        "engine": f"qsmbench {version('qsmbench')}",
        "image": image,
        "run": "bash run.sh",
        "inputs": [*needs, "params"],
    }
    if exported.stage == "dipole":
        manifest["optional_inputs"] = ["magnitude"]
    manifest["parameters"] = exported.parameters
    words = {
        "name": manifest["name"],
        "method": exported.method,
        "stage": exported.stage,
        "needs": ", ".join(needs),
        "made": made,
        "options": repr(dict(exported.options)),
        "weights": repr(exported.weights),
        "image": image,
        "version": version("qsmbench"),
    }
    texts = {"run.sh": "run.sh", "Dockerfile": "Dockerfile", f"{exported.stage}.py": "recon.py"}
    files = {
        path: Template((TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")).substitute(words)
        for template, path in texts.items()
    }
    return {MANIFEST: yaml.safe_dump(manifest, sort_keys=False, width=110, allow_unicode=True)} | files
