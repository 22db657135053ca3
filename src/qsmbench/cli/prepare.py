"""`qsmbench prepare`: from a scanner's phase, or a total field, to the local field."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from qsmbench.cli.common import parse_options, shown_log
from qsmbench.core.errors import InputError
from qsmbench.data.field_units import UNITS
from qsmbench.preparation.dataset import prepare_bids, prepare_files
from qsmbench.preparation.loose_field import prepare_field
from qsmbench.preparation.phase_units import parse_scale
from qsmbench.preparation.settings import BACKGROUNDS, PreparationSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    dataset = parser.add_argument_group("a BIDS dataset")
    dataset.add_argument("--bids", type=Path, metavar="DIR", help="top folder of the dataset")
    dataset.add_argument("--subject", nargs="+", default=[], metavar="ID", help="only these subjects")
    dataset.add_argument(
        "--entity",
        nargs="+",
        default=[],
        metavar="KEY-VALUE",
        help="only acquisitions with these in their names, e.g. rec-norm",
    )
    dataset.add_argument("--masks", type=Path, metavar="DIR", help="BIDS derivatives with masks to use as they are")
    files = parser.add_argument_group("the files of one scan (NIfTI, one an echo, or all echoes in one)")
    files.add_argument("--phase", type=Path, nargs="+", metavar="P", help="phase images")
    files.add_argument("--magnitude", type=Path, nargs="+", metavar="M", help="magnitudes in the same order")
    files.add_argument("--echo-times", type=float, nargs="+", metavar="S", help="s")
    files.add_argument("--b0", type=float, metavar="T", help="main field, T")
    files.add_argument("--mask", type=Path, help="mask to use as it is, non-zero inside")
    files.add_argument("--b0-dir", type=float, nargs=3, metavar=("X", "Y", "Z"), help="B0 in voxel axes")
    field = parser.add_argument_group("a total field of one scan, with --mask: background removal alone (NIfTI)")
    field.add_argument("--total-field", type=Path, metavar="F", help="in ppm, or what its sidecar's Units say")
    field.add_argument("--field-units", choices=UNITS, help="of it (default: as its sidecar says, else ppm)")
    field.add_argument("--field-noise", type=Path, metavar="F", help="standard deviation of the field, in its unit")
    parser.add_argument("--out-dir", type=Path, required=True, help="folder to write into")
    parser.add_argument(
        "--phase-scale",
        metavar="SCALE",
        help="what a stored unit of phase is: rad, deg, pi/4096 or any number of radians (default: told by the data, "
        "header and sidecar, or refused)",
    )
    parser.add_argument("--flip-phase", action="store_true", help="the scanner counts phase the other way: negate it")
    parser.add_argument("--background", choices=BACKGROUNDS, help="background removal (default: resharp)")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="SECTION.NAME=VALUE",
        help="any setting of docs/preparation.md, e.g. background.radius=5",
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")


def run(arguments: argparse.Namespace) -> None:
    """Prepare a dataset or a scan."""
    settings = read_settings(arguments)
    if arguments.threads < 1:
        raise InputError(f"--threads must be at least 1, got {arguments.threads}")
    torch.set_num_threads(arguments.threads)
    with shown_log("qsmbench.preparation", "prepare"):
        _prepare(arguments, settings)


def _prepare(arguments: argparse.Namespace, settings: PreparationSettings) -> None:
    loose = {"--phase": arguments.phase, "--magnitude": arguments.magnitude, "--echo-times": arguments.echo_times}
    loose |= {"--b0": arguments.b0}
    if arguments.total_field is not None:
        _prepare_field(arguments, settings)
        return
    field = {"--field-units": arguments.field_units, "--field-noise": arguments.field_noise}
    if odd := [name for name, value in field.items() if value is not None]:
        raise InputError(f"{odd[0]} goes with --total-field")
    if arguments.bids is not None:
        given = [name for name, value in (loose | {"--mask": arguments.mask}).items() if value is not None]
        if given:
            raise InputError(f"--bids goes without {', '.join(given)}; the dataset says all of it")
        wanted = _entities(arguments.entity)
        prepare_bids(arguments.bids, arguments.out_dir, settings, arguments.subject, arguments.masks, entities=wanted)
        return
    missing = [name for name, value in loose.items() if value is None]
    if missing:
        raise InputError(f"give --bids DIR, or --total-field F, or for one scan also {', '.join(missing)}")
    prepare_files(
        arguments.phase,
        magnitude=arguments.magnitude,
        echo_times=arguments.echo_times,
        b0=arguments.b0,
        out_dir=arguments.out_dir,
        settings=settings,
        mask=arguments.mask,
        b0_dir=arguments.b0_dir,
    )


def _prepare_field(arguments: argparse.Namespace, settings: PreparationSettings) -> None:
    others = {"--bids": arguments.bids, "--phase": arguments.phase, "--echo-times": arguments.echo_times}
    others |= {"--phase-scale": arguments.phase_scale, "--flip-phase": arguments.flip_phase or None}
    given = [name for name, value in others.items() if value is not None]
    if given:
        raise InputError(f"--total-field goes without {', '.join(given)}; it is a field already")
    if arguments.mask is None:
        raise InputError("--total-field needs --mask: it does not say where it holds")
    if len(arguments.magnitude or ()) > 1:
        raise InputError("--magnitude: a total field has one; several are those of echoes, beside --phase")
    prepare_field(
        arguments.total_field,
        arguments.mask,
        out_dir=arguments.out_dir,
        settings=settings,
        magnitude=next(iter(arguments.magnitude or ()), None),
        field_noise=arguments.field_noise,
        b0_dir=arguments.b0_dir,
        b0=arguments.b0,
        units=arguments.field_units,
    )


def _entities(pairs: Sequence[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        key, separator, value = pair.partition("-")
        if not separator or not key or not value:
            raise InputError(f"--entity takes KEY-VALUE as in file names (rec-norm), got '{pair}'")
        found[key] = value
    return found


def read_settings(arguments: argparse.Namespace) -> PreparationSettings:
    """Return the settings that --option, --background and --flip-phase make together.

    Raises:
        InputError: an unknown setting or a value that does not fit.
    """
    tree: dict[str, Any] = {}
    if arguments.phase_scale is not None:
        parse_scale(arguments.phase_scale)
        _set(tree, "phase.scale", arguments.phase_scale)
    if arguments.flip_phase:
        _set(tree, "phase.flipped", True)
    if arguments.background is not None:
        _set(tree, "background.kind", arguments.background)
    return settings_of(parse_options(arguments.option), tree)


def settings_of(options: Mapping[str, str], tree: dict[str, Any] | None = None) -> PreparationSettings:
    """Return the settings of SECTION.NAME options over a tree of others.

    Raises:
        InputError: an unknown setting or a value that does not fit.
    """
    tree = {} if tree is None else tree
    for name, text in options.items():
        _set(tree, name, _value(text))
    background = tree.get("background")
    if isinstance(background, dict):
        background.setdefault("kind", "resharp")
    try:
        return PreparationSettings.model_validate(tree)
    except ValidationError as error:
        lines = []
        for e in error.errors():
            where = ".".join(str(p) for p in e["loc"] if p not in BACKGROUNDS)
            lines.append(f"setting {where}: {e['msg']}; see docs/preparation.md")
        raise InputError("\n".join(lines)) from error


def _set(tree: dict[str, Any], name: str, value: object) -> None:
    *sections, last = name.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise InputError(f"--option {name}: '{section}' is no section of settings")
    tree[last] = value


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
