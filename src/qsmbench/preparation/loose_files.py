"""The files of one scan in the order of their echo times, whatever order a shell's glob gave them in.

`p1.nii p10.nii p2.nii` is how names sort and not how echoes follow. Sidecars beside the files, where all have them, say
each file's echo time and settle it. Without them files and times belong together as given, sorted by time; but where
the names count otherwise than the files were given, that order is a glob's or a mistake, and is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qsmbench.core.errors import InputError
from qsmbench.data.sidecars import B0_DIR, echo_time_of, number, read_sidecar

# A rounded echo time may differ by so much, s.
_SAME_TIME = 1e-5


def in_order(
    phase: Sequence[Path], magnitude: Sequence[Path], echo_times: Sequence[float]
) -> tuple[list[Path], list[Path], tuple[float, ...], dict[str, Any]]:
    """Return phase files, magnitude files and echo times by rising time, and the first phase's sidecar.

    Raises:
        InputError: an order that contradicts the files' names or sidecars; a sidecar that will not do.
    """
    times = [float(t) for t in echo_times]
    sidecars = [read_sidecar(path) for path in phase]
    stated = sidecars[0] if sidecars else {}
    _check_alike(phase, sidecars)
    files: list[list[Path]] = []
    for what, given in (("phase", phase), ("magnitude", magnitude)):
        paths = list(given)
        if len(paths) == len(times) > 1:
            known = [echo_time_of(read_sidecar(path), str(path)) for path in paths]
            own = [t for t in known if t is not None]
            if len(own) == len(paths):
                paths = _by_sidecar(what, paths, own, times)
            else:
                _check_names(what, paths, times)
                for path, mine, t in zip(paths, known, times, strict=True):
                    if mine is not None and abs(mine - t) > _SAME_TIME:
                        raise InputError(
                            f"{path}: its sidecar says an EchoTime of {mine:g} s, but --echo-times gives it {t:g} s; "
                            "correct one"
                        )
        elif paths:
            _check_stated(paths[0], read_sidecar(paths[0]), times)
        files.append(paths)
    order = sorted(range(len(times)), key=times.__getitem__)
    for i, paths in enumerate(files):
        if len(paths) == len(times):
            files[i] = [paths[j] for j in order]
    if order != list(range(len(times))) and any(len(paths) != len(times) for paths in files):
        raise InputError(
            f"{phase[0]}: the echo times do not rise, and which volume of the file each belongs to cannot be told; "
            "give them in the order of the volumes, rising"
        )
    return files[0], files[1], tuple(times[j] for j in order), stated


def _check_alike(phase: Sequence[Path], sidecars: Sequence[Mapping[str, Any]]) -> None:
    """Refuse phases whose sidecars say different things of what holds for all echoes."""
    for key in ("Units", "MagneticFieldStrength", B0_DIR):
        said = {
            str(about[key]).lower(): (path, about[key])
            for path, about in zip(phase, sidecars, strict=True)
            if about.get(key) is not None
        }
        if len(said) > 1:
            shown = " and ".join(f"{value!r} ({path.name})" for path, value in list(said.values())[:2])
            raise InputError(f"{phase[0].parent}: {key} differs between the phase's sidecars: {shown}; correct them")


def _check_stated(path: Path, sidecar: Mapping[str, Any], times: list[float]) -> None:
    """Refuse a list of echo times in the sidecar of a file with all echoes that is not the one given."""
    for key in ("EchoTimes", "EchoTime"):
        value = sidecar.get(key)
        listed = [number(v) for v in value] if isinstance(value, list) else [number(value)]
        own = [t for t in listed if t is not None]
        if value is not None and len(own) < len(listed):
            raise InputError(f"{path}: {key} must be numbers in s, got {str(value)[:40]!r}; correct the sidecar")
        # One time beside several echoes is that of the first, as some converters write it.
        pairs = zip(own, times, strict=False) if len(own) in (1, len(times)) else ()
        if any(abs(a - b) > _SAME_TIME for a, b in pairs):
            shown = ", ".join(f"{t:g}" for t in own)
            raise InputError(f"{path}: its sidecar says {key} {shown} s, which --echo-times contradicts; correct one")


def _by_sidecar(what: str, paths: list[Path], own: list[float], times: list[float]) -> list[Path]:
    """The files in the order of the times given, by their own."""
    found = []
    for t in times:
        near = [path for path, mine in zip(paths, own, strict=True) if abs(mine - t) <= _SAME_TIME]
        if len(near) != 1:
            shown = ", ".join(f"{path.name} {mine:g} s" for path, mine in zip(paths, own, strict=True))
            raise InputError(
                f"{paths[0].parent}: {len(near)} {what} files have an EchoTime of {t:g} s in their sidecars ({shown}); "
                "correct --echo-times or the sidecars"
            )
        found += near
    return found


def _check_names(what: str, paths: list[Path], times: list[float]) -> None:
    """Refuse files whose names count 1, 2, 10 where they were given as 1, 10, 2 for rising times."""
    by_time = [paths[i] for i in sorted(range(len(times)), key=times.__getitem__)]
    keys = [_natural(path.name) for path in by_time]
    frames = {tuple(part for part in key if isinstance(part, str)) for key in keys}
    counted = sorted(range(len(keys)), key=lambda i: [(isinstance(p, str), p) for p in keys[i]])
    # Names that differ in more than their numbers count nothing.
    if len(frames) == 1 and counted != list(range(len(keys))):
        expected = " ".join(by_time[i].name for i in counted)
        raise InputError(
            f"{paths[0].parent}: the {what} files {' '.join(p.name for p in by_time)}, by rising echo time, count "
            f"otherwise by their names ({expected}); give files and --echo-times in one order, or sidecars with "
            "EchoTime beside the files"
        )


def _natural(name: str) -> list[int | str]:
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]
