"""One scan from loose NIfTI files: everything read and checked, every mistake told before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qsmbench.core.b0 import b0_doubts, check_b0
from qsmbench.core.errors import InputError
from qsmbench.core.grid import Grid
from qsmbench.data.nifti import Volume, read_mask_and_notes, read_volumes
from qsmbench.data.sidecars import b0_dir_of, b0_of, text, units_of
from qsmbench.preparation.bids import Loaded
from qsmbench.preparation.echoes import Echoes, check_echo_times
from qsmbench.preparation.errors import Mistakes
from qsmbench.preparation.loose_files import in_order
from qsmbench.preparation.phase_units import Declared, to_radians
from qsmbench.preparation.settings import PhaseSettings


def load_files(
    phase: Sequence[Path],
    magnitude: Sequence[Path],
    *,
    echo_times: Sequence[float],
    b0: float,
    settings: PhaseSettings,
    mask: Path | None = None,
    b0_dir: Sequence[float] | None = None,
) -> Loaded:
    """Read one scan given as loose files; see `dataset.prepare_files` for the arguments.

    Raises:
        InputError: everything that is wrong, one line each.
    """
    mistakes = Mistakes()
    name = phase[0].name
    stated: dict[str, Any] = {}
    with mistakes.collected():
        phase, magnitude, times, stated = in_order(phase, magnitude, echo_times)
    mistakes.check()
    with mistakes.collected():
        check_echo_times(times, name)
    with mistakes.collected():
        check_b0(b0, name)
    warnings: list[str] = []
    with mistakes.collected():
        warnings += b0_doubts(b0, b0_of(stated, str(phase[0])), name)
    stated_dir, units = None, ""
    with mistakes.collected():
        stated_dir = b0_dir_of(stated, str(phase[0]))
    with mistakes.collected():
        units = units_of(stated, str(phase[0]))
    phases, first, scaled = _read_echoes("phase", phase, len(times), None, mistakes)
    magnitudes, first, _ = _read_echoes("magnitude", magnitude, len(times), first, mistakes)
    grid, inside = None, None
    if first is not None:
        with mistakes.collected():
            try:
                grid = Grid.from_affine(first.data.shape, first.affine, b0_dir or stated_dir)
            except InputError as error:
                raise InputError(f"{phase[0]}: {error}") from error
    if mask is not None:
        with mistakes.collected():
            inside, notes = read_mask_and_notes(mask, like=first)
            warnings += notes
    mistakes.check()
    assert grid is not None and phases is not None and magnitudes is not None and first is not None
    if b0_dir is None:
        warnings += [f"{phase[0]}: {doubt}" for doubt in first.frames.doubts(stated_dir)]
    declared = Declared("rad" if settings.units == "rad" else units, text(stated, "Manufacturer"), *scaled)
    found = to_radians(phases, name, settings.scale, declared, magnitudes)
    warnings += found.warnings
    radians = -found.phase if settings.flipped else found.phase
    return Loaded(
        Echoes(radians, magnitudes, grid, times, b0, name, first.slice_axis),
        found.scaling + (", negated" if settings.flipped else ""),
        inside,
        tuple(warnings),
        first.frames,
        tuple(path.name for path in (*phase, *magnitude)),
    )


def _read_echoes(
    what: str, paths: Sequence[Path], n_echoes: int, like: Volume | None, mistakes: Mistakes
) -> tuple[NDArray[np.float32] | None, Volume | None, tuple[float, float]]:
    volumes: list[Volume] = []
    sound = True
    for path in paths:
        before = len(mistakes.lines)
        with mistakes.collected():
            volumes.extend(read_volumes(path, like=like or (volumes[0] if volumes else None)))
        sound = sound and len(mistakes.lines) == before
    if sound and len(volumes) != n_echoes:
        mistakes.add(f"{paths[0]}: {len(volumes)} {what} volumes for {n_echoes} echo times; give one of each an echo")
        sound = False
    first = like or (volumes[0] if volumes else None)
    scaled = {(v.slope, v.intercept) for v in volumes}
    stack = np.stack([v.data for v in volumes]) if sound and volumes else None
    return stack, first, scaled.pop() if len(scaled) == 1 else (1.0, 0.0)
