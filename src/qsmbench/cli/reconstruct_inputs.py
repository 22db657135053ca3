"""What `qsmbench reconstruct` is given of a scan: its local field, its total field, or its echoes."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from qsmbench.core.errors import InputError
from qsmbench.core.scan import Earlier, Scan
from qsmbench.data.field_units import UNITS
from qsmbench.data.frames import Frames

_STARTS = ("local_field", "total_field", "phase")


def add_input_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the files of a scan and what the preparation of one is told."""
    group = parser.add_argument_group("the scan (NIfTI): one of")
    group.add_argument("--local-field", type=Path, metavar="F", help="in ppm, or what its sidecar's Units say")
    group.add_argument("--total-field", type=Path, metavar="F", help="likewise; its background is removed first")
    group.add_argument("--phase", type=Path, nargs="+", metavar="P", help="one an echo, or all echoes in one")
    group = parser.add_argument_group("the scan: beside it")
    group.add_argument("--mask", type=Path, help="non-zero inside; of echoes by default made from their magnitude")
    group.add_argument(
        "--magnitude", type=Path, nargs="+", metavar="M", help="for methods that use it; of echoes in the phase's order"
    )
    group.add_argument("--field-units", choices=UNITS, help="of the field (default: as its sidecar says, else ppm)")
    group.add_argument("--field-noise", type=Path, help="standard deviation of the field, in its unit")
    group.add_argument(
        "--b0-dir",
        type=float,
        nargs=3,
        metavar=("X", "Y", "Z"),
        help="direction of B0 in voxel axes (default: the sidecar's B0_dir, else from the header)",
    )
    group.add_argument("--b0", type=float, help="main field, T (default: as the field's sidecar says; echoes need it)")
    group.add_argument("--echo-times", type=float, nargs="+", default=[], help="s")
    group = parser.add_argument_group("before the local field")
    group.add_argument(
        "--preparation",
        action="append",
        default=[],
        metavar="SECTION.NAME=VALUE",
        help="any setting of docs/preparation.md, e.g. background.kind=vsharp or phase.scale=deg",
    )


def input_files(arguments: argparse.Namespace) -> list[Path]:
    """Every image that the command line names."""
    one = (arguments.local_field, arguments.total_field, arguments.mask, arguments.field_noise)
    return [path for path in (*one, *(arguments.phase or ()), *(arguments.magnitude or ())) if path is not None]


def read_input(
    arguments: argparse.Namespace, begins_earlier: bool
) -> tuple[Scan, tuple[str, ...], Frames, dict[str, Any]]:
    """Read, and prepare where it must be, what the command line names.

    Args:
        arguments: of `add_input_arguments`.
        begins_earlier: whether the method begins before the local field: it is then given what there is.

    Returns:
        The scan, one line for everything doubtful, the header's matrices, and what the map's sidecar says of all that.

    Raises:
        InputError: none or several of local field, total field and phase; what is missing beside it; a file that is
            damaged; a preparation that failed.
    """
    given = [name for name in _STARTS if getattr(arguments, name) is not None]
    if len(given) != 1:
        raise InputError(f"give one of --local-field, --total-field and --phase{'; got several' if given else ''}")
    if given == ["phase"]:
        return _from_echoes(arguments, begins_earlier)
    if arguments.mask is None:
        raise InputError(f"--mask is missing: a {given[0].replace('_', ' ')} does not say where it holds")
    if len(arguments.magnitude or ()) > 1:
        raise InputError("--magnitude: a field has one; several are those of echoes, beside --phase")
    if given == ["local_field"] and arguments.preparation:
        raise InputError("--preparation: a local field is prepared already; give --total-field or --phase")
    return _from_field(arguments, given[0], begins_earlier)


def _from_field(
    arguments: argparse.Namespace, kind: str, begins_earlier: bool
) -> tuple[Scan, tuple[str, ...], Frames, dict[str, Any]]:
    from qsmbench.data.scan_nifti import read_scan_and_notes

    path: Path = getattr(arguments, kind)
    scan, said, frames = read_scan_and_notes(
        path,
        arguments.mask,
        magnitude=next(iter(arguments.magnitude or ()), None),
        field_noise=arguments.field_noise,
        b0_dir=arguments.b0_dir,
        b0=arguments.b0,
        units=arguments.field_units,
        echo_times=arguments.echo_times,
        total=kind == "total_field",
    )
    about: dict[str, Any] = {kind: path.name}
    if kind == "local_field":
        return scan, (*said, *_sign(scan, path)), frames, about
    settings = _settings(arguments)
    if begins_earlier:
        return replace(scan, earlier=Earlier(scan.mask.numpy(), scan.local_field.numpy())), said, frames, about
    from qsmbench.preparation.loose_field import local_scan

    found, local = local_scan(scan, settings.background, path.name)
    about["background_removal"] = {**settings.background.model_dump(), **local.report}
    return found, (*said, *_sign(found, path)), frames, about


def _sign(scan: Scan, path: Path) -> list[str]:
    from qsmbench.preparation.polarity import OTHER_SIGN, asymmetry, sign_doubts

    return sign_doubts(asymmetry(scan.local_field.numpy(), scan.mask.numpy(), scan.grid), str(path), OTHER_SIGN)


def _from_echoes(
    arguments: argparse.Namespace, begins_earlier: bool
) -> tuple[Scan, tuple[str, ...], Frames, dict[str, Any]]:
    import torch

    from qsmbench.preparation.loose_scan import load_files
    from qsmbench.preparation.pipeline import prepare

    needed = {"--magnitude": arguments.magnitude, "--echo-times": arguments.echo_times, "--b0": arguments.b0}
    missing = [name for name, value in needed.items() if not value]
    if missing:
        raise InputError(f"--phase needs {', '.join(missing)} beside it")
    for name in ("field_units", "field_noise"):
        if getattr(arguments, name) is not None:
            raise InputError(f"--{name.replace('_', '-')} goes with a field; of echoes it is not asked")
    settings = _settings(arguments)
    loaded = load_files(
        arguments.phase,
        arguments.magnitude,
        echo_times=arguments.echo_times,
        b0=arguments.b0,
        settings=settings.phase,
        mask=arguments.mask,
        b0_dir=arguments.b0_dir,
    )
    made, echoes = prepare(loaded.echoes, settings, loaded.mask), loaded.echoes
    volumes = {name: torch.from_numpy(volume) for name, volume in made.volumes.items()}
    earlier = None
    if begins_earlier:
        total, mask = made.volumes["total_field"], made.volumes["mask"]
        earlier = Earlier(mask, total, echoes.phase, echoes.magnitude)
    scan = Scan(
        volumes["local_field"],
        volumes["local_mask"],
        echoes.grid,
        magnitude=volumes["magnitude"],
        field_noise=volumes["field_noise"],
        b0=echoes.b0,
        echo_times=echoes.echo_times,
        earlier=earlier,
    )
    about = {
        "phase": [path.name for path in arguments.phase],
        "preparation": settings.model_dump(mode="json"),
        "background_removal": made.report["Background"],
    }
    return scan, (*loaded.warnings, *made.warnings), loaded.frames, about


def _settings(arguments: argparse.Namespace) -> Any:
    from qsmbench.cli.common import parse_options
    from qsmbench.cli.prepare import settings_of

    return settings_of(parse_options(arguments.preparation, "--preparation"))
