"""What the sidecars of a BIDS acquisition say, inherited as BIDS has it, and whether they agree.

A sidecar applies to every image below its folder whose name has all of its entities; the nearer one prevails
(https://bids-specification.readthedocs.io, inheritance principle).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qsmbench.core.b0 import check_b0
from qsmbench.core.grid import Triple
from qsmbench.data.sidecars import B0_DIR, b0_dir_of, b0_of, echo_time_of, read_json, text, units_of
from qsmbench.preparation.bids_files import parse_name
from qsmbench.preparation.echoes import check_echo_times
from qsmbench.preparation.errors import Mistakes
from qsmbench.preparation.phase_units import NOTHING, Declared

# Two sidecars of one echo, or a rounded echo time, may differ by so much, s.
_SAME_TIME = 1e-5


@dataclass
class Stated:
    """What the sidecars of an acquisition say, taken together."""

    times: tuple[float, ...] = ()
    b0: float | None = None
    b0_dir: Triple | None = None
    declared: Declared = NOTHING


def read_metadata(path: Path, root: Path) -> dict[str, Any]:
    """Return what the sidecars say of an image, the nearer one prevailing (BIDS inheritance principle).

    Raises:
        InputError: a sidecar that is no JSON object.
    """
    entities, suffix = parse_name(path)
    own = set(entities.items())
    folders = [path.parent, *path.parent.parents]
    metadata: dict[str, Any] = {}
    for folder in reversed(folders[: folders.index(root) + 1]):
        applicable = []
        for sidecar in folder.glob(f"*{suffix}.json"):
            theirs, their_suffix = parse_name(sidecar)
            if their_suffix == suffix and set(theirs.items()) <= own:
                applicable.append((len(theirs), sidecar))
        for _, sidecar in sorted(applicable):
            metadata |= read_json(sidecar)
    return metadata


def read_sidecars(
    files: Mapping[str, Mapping[int, Path]],
    parts: tuple[str, str],
    numbers: list[int],
    place: tuple[str, Path],
    mistakes: Mistakes,
) -> Stated:
    """Return what the sidecars of an acquisition say together, and note what is wrong with them.

    Args:
        files: by part and echo number.
        parts: that are read.
        numbers: of the echoes.
        place: name of the acquisition and folder of the dataset.
        mistakes: where to note.
    """
    name, root = place
    times: list[float] = []
    directions: dict[Triple, Path] = {}
    units: dict[str, Path] = {}
    fields: dict[float, Path] = {}
    said = Stated()
    for echo in numbers:
        of_echo: list[float] = []
        for part in parts:
            path = files[part][echo]
            before = len(mistakes.lines)
            metadata: dict[str, Any] = {}
            with mistakes.collected():
                metadata = read_metadata(path, root)
            if len(mistakes.lines) > before:
                continue
            if not metadata:
                mistakes.add(f"{path} has no JSON sidecar; give EchoTime (s) and MagneticFieldStrength (T)")
                continue
            time, b0 = _numbers(metadata, path, mistakes)
            if time is not None:
                of_echo.append(time)
            if b0 is not None:
                fields[b0] = path
            with mistakes.collected():
                said.b0_dir = b0_dir_of(metadata, str(path)) or said.b0_dir
                if said.b0_dir is not None and metadata.get(B0_DIR) is not None:
                    directions.setdefault(said.b0_dir, path)
            if part == "phase":
                with mistakes.collected():
                    stated = units_of(metadata, str(path))
                    units.setdefault(stated.strip().lower(), path)
                    said.declared = Declared(stated, text(metadata, "Manufacturer"))
        if len(of_echo) == 2 and abs(of_echo[0] - of_echo[1]) > _SAME_TIME:
            path = files[parts[1]][echo]
            mistakes.add(f"{path}: EchoTime is {of_echo[1]:g} s, but {of_echo[0]:g} s for part-{parts[0]}; correct one")
        times.extend(of_echo[:1])
    first = files[parts[0]][numbers[0]] if numbers else root
    _check_alike(directions, units, f"{first.parent}", name, mistakes)
    if len(fields) > 1:
        shown = " and ".join(f"{b0:g} T ({path.name})" for b0, path in fields.items())
        mistakes.add(f"{first.parent}: MagneticFieldStrength differs within {name}: {shown}")
    for b0 in list(fields)[:1]:
        with mistakes.collected():
            check_b0(b0, str(first))
    if len(times) == len(numbers) > 0:
        with mistakes.collected():
            check_echo_times(tuple(times), str(first))
    said.times, said.b0 = tuple(times), next(iter(fields), None)
    return said


def _numbers(metadata: Mapping[str, Any], path: Path, mistakes: Mistakes) -> tuple[float | None, float | None]:
    """Echo time (s) and B0 (T) of one image; what is lacking is noted."""
    found: list[float | None] = []
    for key, unit, read in (("EchoTime", "s", echo_time_of), ("MagneticFieldStrength", "T", b0_of)):
        value, before = None, len(mistakes.lines)
        with mistakes.collected():
            value = read(metadata, str(path))
        if value is None and len(mistakes.lines) == before:
            mistakes.add(f"{path}: its sidecar lacks {key}; give a number in {unit}")
        found.append(value)
    return found[0], found[1]


def _check_alike(
    directions: Mapping[Triple, Path], units: Mapping[str, Path], where: str, name: str, mistakes: Mistakes
) -> None:
    """Note directions of B0, or units of phase, that differ between the files of an acquisition."""
    if len(directions) > 1 and not _alike(list(directions)):
        shown = " and ".join(f"{list(d)} ({path.name})" for d, path in list(directions.items())[:2])
        mistakes.add(f"{where}: {B0_DIR} differs within {name}: {shown}; correct the sidecars")
    if len(units) > 1:
        shown = " and ".join(f"'{u}' ({path.name})" for u, path in list(units.items())[:2])
        mistakes.add(f"{where}: the phase's Units differ within {name}: {shown}; bring all echoes to one scale")


def _alike(directions: list[Triple]) -> bool:
    """Whether directions (unit vectors) are one but for rounding; the dipole field does not know the sense."""
    return all(abs(sum(a * b for a, b in zip(directions[0], d, strict=True))) > 1 - 1e-5 for d in directions[1:])
