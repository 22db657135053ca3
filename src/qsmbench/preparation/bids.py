"""Gradient-echo acquisitions of a BIDS dataset: which files belong together, what their sidecars say, do they agree.

Raw data as BIDS 1.11 names them: `sub-01[_ses-1][...]_echo-1_part-mag_MEGRE.nii.gz` with `part-phase`, or `part-real`
and `part-imag`; https://bids-specification.readthedocs.io. Sidecars are inherited: `EchoTime` may stand beside a file,
`MagneticFieldStrength` at the top of the dataset. Every mistake is found before any is reported.

Why no BIDS library: measured in docs/preparation.md; in short, those that are small swallow a damaged sidecar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.data.frames import NO_FRAMES, Frames
from qsmbench.data.nifti import Volume, read_mask_and_notes, read_volume
from qsmbench.preparation.bids_files import Acquisition, find_mask
from qsmbench.preparation.bids_sidecars import read_sidecars
from qsmbench.preparation.complex_parts import check_parts
from qsmbench.preparation.echoes import Echoes
from qsmbench.preparation.errors import Mistakes
from qsmbench.preparation.phase_units import to_radians
from qsmbench.preparation.settings import PhaseSettings


@dataclass(frozen=True, eq=False)
class Loaded:
    """An acquisition as read.

    Attributes:
        echoes: its echoes.
        phase_scaling: how its phase was scaled, one sentence.
        mask: that was given.
        warnings: what is doubtful, one line each.
        frames: the header's matrices.
        sources: names of the files.
    """

    echoes: Echoes
    phase_scaling: str
    mask: NDArray[np.bool_] | None
    warnings: tuple[str, ...] = ()
    frames: Frames = NO_FRAMES
    sources: tuple[str, ...] = ()


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
    warnings += [f"{name}: {doubt}" for doubt in first.frames.doubts(said.b0_dir)]
    if parts == ("mag", "phase"):
        magnitude = stacks["mag"]
        declared = replace(said.declared, units="rad" if settings.units == "rad" else said.declared.units)
        declared = replace(declared, slope=scaled[0], intercept=scaled[1])
        found = to_radians(stacks["phase"], name, settings.scale, declared, magnitude)
        phase, scaling = found.phase, found.scaling
        warnings += found.warnings
    else:
        warnings += check_parts(stacks["real"], stacks["imag"], name)
        signal = stacks["real"] + 1j * stacks["imag"]
        magnitude, phase, scaling = np.abs(signal), np.angle(signal), "from real and imaginary parts"
    echoes = Echoes(-phase if settings.flipped else phase, magnitude, grid, said.times, said.b0, name, first.slice_axis)
    scaling += ", negated" if settings.flipped else ""
    return Loaded(echoes, scaling, mask, tuple(warnings), first.frames)


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
