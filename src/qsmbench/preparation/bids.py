"""Gradient-echo acquisitions of a BIDS dataset: which files belong together, what their sidecars say, do they agree.

Raw data as BIDS 1.10 names them: `sub-01[_ses-1][...]_echo-1_part-mag_MEGRE.nii.gz` with `part-phase`, or `part-real`
and `part-imag`; https://bids-specification.readthedocs.io. Sidecars are inherited: `EchoTime` may stand beside a file,
`MagneticFieldStrength` at the top of the dataset. Every mistake is found before any is reported.

Why no BIDS library: measured in docs/preparation.md; in short, those that are small swallow a damaged sidecar.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.data.nifti import Volume, read_mask, read_volume
from qsmbench.preparation.echoes import Echoes, check_b0, check_echo_times
from qsmbench.preparation.errors import Mistakes
from qsmbench.preparation.phase_units import to_radians
from qsmbench.preparation.settings import PhaseSettings

# T2starw is what single-echo scans are called; magnitudes alone are common there and are passed over.
SUFFIXES = ("MEGRE", "GRE", "T2starw")
PARTS = ("mag", "phase", "real", "imag")
# Two sidecars of one echo, or a rounded echo time, may differ by so much, s.
_SAME_TIME = 1e-5


@dataclass(frozen=True, eq=False)
class Acquisition:
    """The files of one acquisition.

    Attributes:
        entities: in the order of the name, without echo and part: {"sub": "01", "ses": "1", ...}.
        suffix: MEGRE, GRE or T2starw.
        files: by part and echo number.
        root: the dataset.
    """

    entities: Mapping[str, str]
    suffix: str
    files: Mapping[str, Mapping[int, Path]]
    root: Path

    @property
    def name(self) -> str:
        """What messages call it: sub-01_ses-1_MEGRE."""
        return "_".join([*(f"{k}-{v}" for k, v in self.entities.items()), self.suffix])

    @property
    def sources(self) -> list[str]:
        """Paths of its images, relative to the dataset, sorted."""
        return sorted(p.relative_to(self.root).as_posix() for echoes in self.files.values() for p in echoes.values())


def find_acquisitions(root: Path, subjects: Sequence[str] = ()) -> list[Acquisition]:
    """Return the acquisitions of a dataset in the order of their names.

    Args:
        root: folder of the dataset.
        subjects: labels, with or without `sub-`; none means all.

    Raises:
        InputError: no folder, no subject of that name, no gradient-echo acquisition with phase.
    """
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; give the top folder of a BIDS dataset")
    present = sorted(p.name.removeprefix("sub-") for p in root.glob("sub-*") if p.is_dir())
    if not present:
        raise InputError(f"{root} has no folder sub-*; give the top folder of a BIDS dataset")
    wanted = [s.removeprefix("sub-") for s in subjects] or present
    mistakes = Mistakes()
    for subject in wanted:
        if subject not in present:
            mistakes.add(f"{root} has no subject '{subject}'; it has {', '.join(present)}")
    mistakes.check()
    groups: dict[tuple[tuple[str, str], ...], dict[str, dict[int, Path]]] = {}
    for subject in wanted:
        for path in sorted((root / f"sub-{subject}").rglob("*.nii*")):
            entities, suffix = parse_name(path)
            if suffix not in SUFFIXES or not path.name.endswith((".nii", ".nii.gz")):
                continue
            part, echo = entities.pop("part", "mag"), entities.pop("echo", "1")
            if part not in PARTS or not echo.isdigit():
                mistakes.add(f"{path}: part must be one of {', '.join(PARTS)} and echo a number; rename the file")
                continue
            key = (*entities.items(), ("suffix", suffix))
            files = groups.setdefault(key, {}).setdefault(part, {})
            if int(echo) in files:
                mistakes.add(f"{path} and {files[int(echo)].name} are the same echo; keep one")
            files[int(echo)] = path
    mistakes.check()
    found = [
        Acquisition(dict(key[:-1]), key[-1][1], files, root)
        for key, files in sorted(groups.items())
        # A magnitude alone is no mistake in a dataset, it is just nothing to us.
        if set(files) != {"mag"} or key[-1][1] == "MEGRE"
    ]
    if not found:
        raise InputError(
            f"{root}: no gradient echoes with phase (sub-*/[ses-*/]anat/*_part-phase_MEGRE.nii.gz) "
            f"for {', '.join('sub-' + s for s in wanted)}"
        )
    return found


def parse_name(path: Path) -> tuple[dict[str, str], str]:
    """Return the entities and the suffix of a BIDS file name.

    >>> parse_name(Path("sub-01_echo-2_part-mag_MEGRE.nii.gz"))
    ({'sub': '01', 'echo': '2', 'part': 'mag'}, 'MEGRE')
    """
    *pairs, suffix = path.name.partition(".")[0].split("_")
    return {key: value for key, _, value in (p.partition("-") for p in pairs)}, suffix


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
            metadata |= _read_json(sidecar)
    return metadata


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError) as error:
        raise InputError(f"{path} is not valid JSON ({error}); correct it or convert the scan again") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold a JSON object; correct it or convert the scan again")
    return content


@dataclass(frozen=True, eq=False)
class Loaded:
    """An acquisition as read: the echoes, and how its phase was scaled."""

    echoes: Echoes
    phase_scaling: str
    mask: NDArray[np.bool_] | None


def load(acquisition: Acquisition, settings: PhaseSettings, masks: Path | None = None) -> Loaded:
    """Read and check one acquisition.

    Raises:
        InputError: everything that is wrong with it, one line each.
    """
    mistakes = Mistakes()
    parts = _complex_parts(acquisition, mistakes)
    mistakes.check()
    numbers = _echo_numbers(acquisition, parts, mistakes)
    times, b0, b0_dir, units = _read_sidecars(acquisition, parts, numbers, mistakes)
    stacks, first = _read_images(acquisition, parts, numbers, mistakes)
    grid = None
    if first is not None:
        path = acquisition.files[parts[0]][numbers[0]]
        with mistakes.collected():
            grid = _grid(path, first, b0_dir)
    mask = None
    if masks is not None:
        with mistakes.collected():
            mask = read_mask(find_mask(masks, acquisition.entities), like=first)
    mistakes.check()
    assert grid is not None and b0 is not None
    name = acquisition.name
    if parts == ("mag", "phase"):
        magnitude = stacks["mag"]
        phase, scaling = to_radians(stacks["phase"], "rad" if "rad" in (settings.units, units) else "auto", name)
    else:
        signal = stacks["real"] + 1j * stacks["imag"]
        magnitude, phase, scaling = np.abs(signal), np.angle(signal), "from real and imaginary parts"
    echoes = Echoes(-phase if settings.flipped else phase, magnitude, grid, times, b0, name)
    return Loaded(echoes, scaling + (", negated" if settings.flipped else ""), mask)


def find_mask(folder: Path, entities: Mapping[str, str]) -> Path:
    """Return the mask of an acquisition in a dataset of masks: the nearest of its subject's files `*_mask.nii.gz`.

    Raises:
        InputError: there is none, or there are several.
    """
    own = set(entities.items())
    found: list[Path] = []
    for path in sorted(folder.glob(f"sub-{entities['sub']}/**/*_mask.nii*")):
        theirs, _ = parse_name(path)
        theirs.pop("desc", None)
        if set(theirs.items()) <= own:
            found.append(path)
    brain = [p for p in found if "_desc-brain_" in p.name]
    found = brain or found
    if len(found) != 1:
        what = "no mask" if not found else f"{len(found)} masks"
        raise InputError(f"{folder} has {what} for {'_'.join(f'{k}-{v}' for k, v in entities.items())}; give one")
    return found[0]


def _complex_parts(acquisition: Acquisition, mistakes: Mistakes) -> tuple[str, str]:
    have = set(acquisition.files)
    if {"mag", "phase"} <= have:
        return ("mag", "phase")
    if {"real", "imag"} <= have:
        return ("real", "imag")
    one = next(iter(acquisition.files[min(have)].values()))
    lacking = {"mag": "phase", "phase": "mag", "real": "imag", "imag": "real"}[min(have)]
    mistakes.add(f"{one} has no part-{lacking} beside it; give magnitude and phase, or real and imaginary parts")
    return ("mag", "phase")


def _echo_numbers(acquisition: Acquisition, parts: tuple[str, str], mistakes: Mistakes) -> list[int]:
    files = acquisition.files
    numbers = sorted(set(files[parts[0]]) | set(files[parts[1]]))
    for number in range(1, numbers[-1] + 1):
        for part in parts:
            if number not in files[part]:
                near = next(iter(files[part].values()))
                mistakes.add(
                    f"{near.parent}: echo {number} of {numbers[-1]} of {acquisition.name} has no part-{part} file; "
                    "add it or take the echo out"
                )
    return [n for n in numbers if all(n in files[part] for part in parts)]


def _read_sidecars(
    acquisition: Acquisition, parts: tuple[str, str], numbers: list[int], mistakes: Mistakes
) -> tuple[tuple[float, ...], float | None, Sequence[float] | None, str]:
    times: list[float] = []
    fields: dict[float, Path] = {}
    b0_dir: Sequence[float] | None = None
    units = "auto"
    for number in numbers:
        of_echo: list[float] = []
        for part in parts:
            path = acquisition.files[part][number]
            metadata: dict[str, Any] = {}
            with mistakes.collected():
                metadata = read_metadata(path, acquisition.root)
            if not metadata:
                mistakes.add(f"{path} has no JSON sidecar; give EchoTime (s) and MagneticFieldStrength (T)")
                continue
            for key, store in (("EchoTime", of_echo), ("MagneticFieldStrength", None)):
                value = metadata.get(key)
                if not isinstance(value, int | float) or isinstance(value, bool) or not isfinite(value):
                    said = "lacks" if value is None else f"has {value!r} for"
                    mistakes.add(
                        f"{path}: its sidecar {said} {key}; give a number in {'s' if store is not None else 'T'}"
                    )
                elif store is not None:
                    store.append(float(value))
                else:
                    fields[float(value)] = path
            b0_dir = metadata.get("B0_dir", b0_dir)
            if part == "phase" and str(metadata.get("Units", "")).lower() in ("rad", "radian", "radians"):
                units = "rad"
        if len(of_echo) == 2 and abs(of_echo[0] - of_echo[1]) > _SAME_TIME:
            path = acquisition.files[parts[1]][number]
            mistakes.add(f"{path}: EchoTime is {of_echo[1]:g} s, but {of_echo[0]:g} s for part-{parts[0]}; correct one")
        times.extend(of_echo[:1])
    first = acquisition.files[parts[0]][numbers[0]] if numbers else acquisition.root
    if len(fields) > 1:
        shown = " and ".join(f"{b0:g} T ({path.name})" for b0, path in fields.items())
        mistakes.add(f"{first.parent}: MagneticFieldStrength differs within {acquisition.name}: {shown}")
    for b0 in list(fields)[:1]:
        with mistakes.collected():
            check_b0(b0, str(first))
    if len(times) == len(numbers) > 0:
        with mistakes.collected():
            check_echo_times(tuple(times), str(first))
    if b0_dir is not None and (not isinstance(b0_dir, list) or len(b0_dir) != 3):
        mistakes.add(f"{first}: B0_dir must be three numbers, got {b0_dir!r}")
        b0_dir = None
    return tuple(times), next(iter(fields), None), b0_dir, units


def _read_images(
    acquisition: Acquisition, parts: tuple[str, str], numbers: list[int], mistakes: Mistakes
) -> tuple[dict[str, NDArray[np.float32]], Volume | None]:
    first: Volume | None = None
    stacks: dict[str, NDArray[np.float32]] = {}
    for part in parts:
        images: list[NDArray[np.float32]] = []
        for number in numbers:
            with mistakes.collected():
                volume = read_volume(acquisition.files[part][number], like=first)
                first = volume if first is None else first
                images.append(volume.data)
        if images and len(images) == len(numbers):
            stacks[part] = np.stack(images)
    return stacks, first


def _grid(path: Path, volume: Volume, b0_dir: Sequence[float] | None) -> Grid:
    try:
        return Grid.from_affine(volume.data.shape, volume.affine, b0_dir)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
