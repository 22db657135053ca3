"""Weights that training goes on from: those of the network that is asked for, or none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qsmbench.core.errors import InputError
from qsmbench.networks.architectures import architecture
from qsmbench.networks.network_file import read_card, verified
from qsmbench.networks.shipped import FOLDER, resolve
from qsmbench.networks.weights import INPUT, TrainedNetwork, load_network


def load_start(weights: str | Path, expected: str, options: dict[str, Any]) -> TrainedNetwork:
    """Read weights that training goes on from.

    Args:
        weights: the file, or shipped:NAME.
        expected: architecture that is trained.
        options: with every setting, as in `full_options`.

    Raises:
        InputError: as `load_network`, or the weights were made with other options; says which.
    """
    start = load_network(weights, expected)
    _compare(weights, full_options(start.architecture, start.options), options)
    return start


def check_start(weights: str | Path, expected: str, options: dict[str, Any]) -> None:
    """Raise what `load_start` would; of shipped weights the bytes and the card are read, without torch."""
    path = resolve(weights)
    if path.parent != FOLDER:
        load_start(weights, expected, options)
        return
    card = read_card(path)
    verified(path, card["weights_sha256"])
    if card["architecture"] != expected:
        raise InputError(f"weights file {path} is of {card['architecture']}, not of {expected}; give the right one")
    _compare(weights, full_options(card["architecture"], card["options"]), options)


def full_options(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Options of a network file with every setting of its architecture: one younger than the file has its default, as
    the file was made with.

    Raises:
        InputError: the architecture is not known, or has no such settings.
    """
    settings = architecture(name, {key: value for key, value in options.items() if key not in INPUT})
    return settings.model_dump(mode="json") | {key: value for key, value in options.items() if key in INPUT and value}


def _compare(weights: str | Path, made: dict[str, Any], asked: dict[str, Any]) -> None:
    made, asked = _plain(made), _plain(asked)
    if differing := [key for key in sorted({*made, *asked}) if made.get(key) != asked.get(key)]:
        was, now = (", ".join(f"{key}: {of.get(key)}" for key in differing) for of in (made, asked))
        raise InputError(
            f"weights {weights} were made with {was}; the configuration asks for {now}; ask for the same, "
            "or start from other weights"
        )


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in options.items()}
