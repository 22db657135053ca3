"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from qsmbench.core.errors import InputError


def add_compute_arguments(parser: argparse.ArgumentParser, threads: int | None = None) -> None:
    """Add --device and --threads."""
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")
    parser.add_argument(
        "--threads",
        type=int,
        default=threads,
        help="CPU threads; results on a CPU are the same bits for the same number (default: %(default)s)",
    )


def set_up_compute(arguments: argparse.Namespace) -> str:
    """Fix threads and determinism; return the device's name for torch.

    Raises:
        InputError: CUDA asked for and not there, or no positive number of threads.
    """
    import torch

    if arguments.threads is not None:
        if arguments.threads < 1:
            raise InputError(f"--threads must be at least 1, got {arguments.threads}")
        torch.set_num_threads(arguments.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    if arguments.device == "cpu":
        return "cpu"
    available = torch.cuda.is_available()
    if arguments.device == "cuda" and not available:
        raise InputError("--device cuda: torch finds no CUDA device; use --device cpu")
    return "cuda" if available else "cpu"


def add_method_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the workflow says of a method: its name, --options, --weights; and where to compute."""
    parser.add_argument("method", metavar="METHOD")
    parser.add_argument("--options", default="{}", help="the method's options, JSON")
    parser.add_argument("--weights", type=Path, help="weights of a network")
    add_compute_arguments(parser, threads=1)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the method's arguments, --tuned, and what every run over a set writes beside its maps."""
    add_method_arguments(parser)
    parser.add_argument("--tuned", type=Path, help="JSON of 'qsmbench choose', whose options go over --options")
    parser.add_argument("--status", type=Path, required=True, help="JSON to write: what worked and what failed")
    parser.add_argument("--timings", type=Path, required=True, help="CSV to write: seconds a subject")


def method_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The method's options, with those that were chosen on a tuning set over them."""
    options: dict[str, Any] = parse_json(arguments.options, "--options")
    if arguments.tuned is not None:
        options |= json.loads(arguments.tuned.read_text(encoding="utf-8"))["options"]
    return options


def parse_options(pairs: Sequence[str]) -> dict[str, str]:
    """Read NAME=VALUE pairs.

    Raises:
        InputError: a pair without '=' or a name given twice.
    """
    options: dict[str, str] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise InputError(f"--option takes NAME=VALUE, got '{pair}'")
        if name in options:
            raise InputError(f"--option {name} is given twice")
        options[name] = value
    return options


def parse_spec(kind: Any, text: str) -> Any:
    """Read the JSON of a configuration section that a rule passes on."""
    try:
        return TypeAdapter(kind).validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"--spec: {'.'.join(str(p) for p in first['loc'])}: {first['msg']}") from error


def parse_json(text: str, name: str) -> Any:
    """Read a JSON argument."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{name} is not JSON: {error}") from error
