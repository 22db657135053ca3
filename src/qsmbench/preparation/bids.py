"""Gradient-echo acquisitions of a BIDS dataset: which files belong together, what their sidecars say, do they agree.

Raw data as BIDS 1.11 names them: `sub-01[_ses-1][...]_echo-1_part-mag_MEGRE.nii.gz` with `part-phase`, or `part-real`
and `part-imag`; https://bids-specification.readthedocs.io. Sidecars are inherited: `EchoTime` may stand beside a file,
`MagneticFieldStrength` at the top of the dataset. Every mistake is found before any is reported.

Why no BIDS library: measured in docs/preparation.md; in short, those that are small swallow a damaged sidecar.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.data.frames import NO_FRAMES, Frames
from qsmbench.data.nifti import Volume, read_mask_and_notes, read_volume
from qsmbench.preparation.bids_sidecars import parse_name, read_sidecars
from qsmbench.preparation.echoes import Echoes
from qsmbench.preparation.errors import Mistakes
from qsmbench.preparation.phase_units import to_radians
from qsmbench.preparation.settings import PhaseSettings

# T2starw is what single-echo scans are called; magnitudes alone are common there and are passed over.
SUFFIXES = ("MEGRE", "GRE", "T2starw")
PARTS = ("mag", "phase", "real", "imag")


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
    """Return the acquisitions of a dataset in the order of their names; see :func:`survey`."""
    return survey(root, subjects)[0]


def survey(
    root: Path, subjects: Sequence[str] = (), entities: Mapping[str, str] | None = None
) -> tuple[list[Acquisition], list[str]]:
    """Return the acquisitions of a dataset in the order of their names, and what was passed over, one line each.

    Folders may be links (as git-annex and DataLad have them). An acquisition without its phase is passed over where
    another of the same session is complete: a second reconstruction, say.

    Args:
        root: folder of the dataset.
        subjects: labels, with or without `sub-`; none means all.
        entities: that an acquisition must have, {"rec": "norm"}.

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
    chosen = set((entities or {}).items())
    groups: dict[tuple[tuple[str, str], ...], dict[str, dict[int, Path]]] = {}
    for path in (p for subject in wanted for p in _images(root / f"sub-{subject}")):
        own, suffix = parse_name(path)
        if suffix not in SUFFIXES:
            continue
        part, echo = own.pop("part", "mag"), own.pop("echo", "1")
        if not chosen <= set(own.items()):
            continue
        if part not in PARTS or not echo.isdecimal():
            mistakes.add(f"{path}: part must be one of {', '.join(PARTS)} and echo a number; rename the file")
            continue
        if path.is_symlink() and not path.exists():
            mistakes.add(
                f"{path} is a broken link (to {path.readlink()}); fetch the file it stands for (datalad get, git annex "
                "get), or remove the link"
            )
            continue
        key = (*own.items(), ("suffix", suffix))
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
    sessions = {_session(a) for a in found if _is_complete(a)}
    passed = [a for a in found if not _is_complete(a) and _session(a) in sessions]
    found = [a for a in found if a not in passed]
    told = [f"{a.name}: no phase (only {', '.join(sorted(a.files))}); passed over, others are complete" for a in passed]
    with_data = {a.entities.get("sub") for a in found}
    told += [f"sub-{s}: no gradient echoes with phase; passed over" for s in wanted if s not in with_data]
    if not found:
        which = "".join(f" with {k}-{v}" for k, v in sorted(chosen))
        raise InputError(
            f"{root}: no gradient echoes with phase{which} (sub-*/[ses-*/]anat/*_part-phase_MEGRE.nii.gz) "
            f"for {', '.join('sub-' + s for s in wanted)}"
        )
    return found, told


def _images(folder: Path) -> Iterator[Path]:
    """Images below a folder, links to folders followed, none of them twice, in the order of their names."""
    seen: set[str] = set()
    found: list[Path] = []
    for current, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(current)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        found += [Path(current) / name for name in names if name.endswith((".nii", ".nii.gz"))]
    return iter(sorted(found))


def _session(acquisition: Acquisition) -> tuple[str | None, str | None]:
    return acquisition.entities.get("sub"), acquisition.entities.get("ses")


def _is_complete(acquisition: Acquisition) -> bool:
    return {"mag", "phase"} <= set(acquisition.files) or {"real", "imag"} <= set(acquisition.files)


@dataclass(frozen=True, eq=False)
class Loaded:
    """An acquisition as read: the echoes, how its phase was scaled, a mask, what is doubtful, the header's matrices."""

    echoes: Echoes
    phase_scaling: str
    mask: NDArray[np.bool_] | None
    warnings: tuple[str, ...] = ()
    frames: Frames = NO_FRAMES


def load(acquisition: Acquisition, settings: PhaseSettings, masks: Path | None = None) -> Loaded:
    """Read and check one acquisition.

    Raises:
        InputError: everything that is wrong with it, one line each.
    """
    mistakes = Mistakes()
    parts = _complex_parts(acquisition, mistakes)
    mistakes.check()
    numbers = _echo_numbers(acquisition, parts, mistakes)
    said = read_sidecars(acquisition.files, parts, numbers, (acquisition.name, acquisition.root), mistakes)
    stacks, first, scaled = _read_images(acquisition, parts, numbers, mistakes)
    grid = None
    if first is not None:
        path = acquisition.files[parts[0]][numbers[0]]
        with mistakes.collected():
            grid = _grid(path, first, said.b0_dir)
    mask: NDArray[np.bool_] | None = None
    notes: tuple[str, ...] = ()
    if masks is not None:
        with mistakes.collected():
            mask, notes = read_mask_and_notes(find_mask(masks, acquisition.entities), like=first)
    mistakes.check()
    assert grid is not None and said.b0 is not None and first is not None
    name = acquisition.name
    warnings = [*notes]
    if said.b0_dir is None:
        warnings += [f"{name}: {doubt}" for doubt in first.frames.doubts()]
    if parts == ("mag", "phase"):
        magnitude = stacks["mag"]
        declared = replace(said.declared, units="rad" if settings.units == "rad" else said.declared.units)
        declared = replace(declared, slope=scaled[0], intercept=scaled[1])
        found = to_radians(stacks["phase"], name, settings.scale, declared)
        phase, scaling = found.phase, found.scaling
        warnings += found.warnings
    else:
        signal = stacks["real"] + 1j * stacks["imag"]
        magnitude, phase, scaling = np.abs(signal), np.angle(signal), "from real and imaginary parts"
    echoes = Echoes(-phase if settings.flipped else phase, magnitude, grid, said.times, said.b0, name, first.slice_axis)
    scaling += ", negated" if settings.flipped else ""
    return Loaded(echoes, scaling, mask, tuple(warnings), first.frames)


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
    absent = list(range(1, numbers[0]))
    if absent:
        near = next(iter(files[parts[0]].values()))
        which = "echo 1" if len(absent) == 1 else f"echoes 1 to {absent[-1]}"
        mistakes.add(
            f"{near.parent}: {which} of {acquisition.name} missing, the files begin with echo {numbers[0]} (an "
            "incomplete copy or conversion?); add what is missing, or, where it was left out on purpose, number the "
            "echoes from 1"
        )
    for number in range(numbers[0], numbers[-1] + 1):
        for part in parts:
            if number not in files[part]:
                near = next(iter(files[part].values()))
                mistakes.add(
                    f"{near.parent}: echo {number} of {numbers[-1]} of {acquisition.name} has no part-{part} file; "
                    "add it or take the echo out"
                )
    return [n for n in numbers if all(n in files[part] for part in parts)]


def _read_images(
    acquisition: Acquisition, parts: tuple[str, str], numbers: list[int], mistakes: Mistakes
) -> tuple[dict[str, NDArray[np.float32]], Volume | None, tuple[float, float]]:
    """Return the echoes by part, the first volume, and slope and intercept of the phase where all echoes share them."""
    first: Volume | None = None
    stacks: dict[str, NDArray[np.float32]] = {}
    scaled: set[tuple[float, float]] = set()
    for part in parts:
        images: list[NDArray[np.float32]] = []
        for echo in numbers:
            with mistakes.collected():
                volume = read_volume(acquisition.files[part][echo], like=first)
                first = volume if first is None else first
                images.append(volume.data)
                if part == "phase":
                    scaled.add((volume.slope, volume.intercept))
        if images and len(images) == len(numbers):
            stacks[part] = np.stack(images)
    return stacks, first, scaled.pop() if len(scaled) == 1 else (1.0, 0.0)


def _grid(path: Path, volume: Volume, b0_dir: Sequence[float] | None) -> Grid:
    try:
        return Grid.from_affine(volume.data.shape, volume.affine, b0_dir)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
