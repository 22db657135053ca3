"""The files of a BIDS dataset by their names alone: acquisitions, what is passed over, masks.

No image is opened here and no numerical library loaded, so that a workflow can ask what a dataset holds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from qsmbench.core.errors import InputError
from qsmbench.preparation.errors import Mistakes

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

    Folders may be links (as git-annex and DataLad have them). An acquisition without its phase, or
    with parts of some echoes alone, is passed over where another of the same session is complete: a second
    reconstruction, say, or a run that was broken off.

    Args:
        root: folder of the dataset.
        subjects: labels, with or without `sub-`; none means all.
        entities: that an acquisition must have, {"rec": "norm"}.

    Raises:
        InputError: no folder, no subject of that name, no gradient-echo acquisition with phase.
    """
    wanted = _wanted(root, subjects)
    mistakes = Mistakes()
    chosen = set((entities or {}).items())
    groups: dict[tuple[tuple[str, str], ...], dict[str, dict[int, Path]]] = {}
    for path in (p for subject in wanted for p in _images(root / f"sub-{subject}")):
        own, suffix = parse_name(path)
        wrong = wrong_name(path, root)
        if wrong:
            mistakes.add(wrong)
            continue
        if suffix not in SUFFIXES:
            continue
        part, echo = own.pop("part", "mag"), own.pop("echo", "1")
        if not chosen <= set(own.items()):
            continue
        if part not in PARTS or not echo.isdecimal():
            mistakes.add(f"{path}: part must be one of {', '.join(PARTS)} and echo a number; rename the file")
            continue
        if path.is_symlink() and not path.exists():
            mistakes.add(_broken_link(path))
            continue
        key = (*own.items(), ("suffix", suffix))
        files = groups.setdefault(key, {}).setdefault(part, {})
        if int(echo) in files:
            other = files[int(echo)]
            shown = other.name if other.parent == path.parent else str(other)
            mistakes.add(f"{path} and {shown} are the same echo; keep one")
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
    told = [f"{a.name}: {_lacking(a)}; passed over, others are complete" for a in passed]
    with_data = {a.entities.get("sub") for a in found}
    told += [f"sub-{s}: no gradient echoes with phase; passed over" for s in wanted if s not in with_data]
    if not found:
        which = "".join(f" with {k}-{v}" for k, v in sorted(chosen))
        raise InputError(
            f"{root}: no gradient echoes with phase{which} (sub-*/[ses-*/]anat/*_part-phase_MEGRE.nii.gz) "
            f"for {', '.join('sub-' + s for s in wanted)}"
        )
    return found, told


def _wanted(root: Path, subjects: Sequence[str]) -> list[str]:
    """The labels asked for, all where none is; refused where one is not there or is a broken link."""
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; give the top folder of a BIDS dataset, see docs/preparation.md")
    present = sorted(p.name.removeprefix("sub-") for p in root.glob("sub-*") if p.is_dir())
    broken = [p for p in sorted(root.glob("sub-*")) if p.is_symlink() and not p.exists()]
    if not present and not broken:
        raise InputError(f"{root} has no folder sub-*; give the top folder of a BIDS dataset, see docs/preparation.md")
    wanted = [s.removeprefix("sub-") for s in subjects] or present
    mistakes = Mistakes()
    for path in broken:
        if not subjects or path.name.removeprefix("sub-") in wanted:
            mistakes.add(_broken_link(path))
    known = {*present, *(p.name.removeprefix("sub-") for p in broken)}
    for subject in wanted:
        if subject not in known:
            mistakes.add(f"{root} has no subject '{subject}'; it has {', '.join(present)}")
    for subject in (s for s in wanted if s in present):
        for path in _broken_folders(root / f"sub-{subject}"):
            mistakes.add(_broken_link(path))
    mistakes.check()
    return wanted


def _broken_link(path: Path) -> str:
    return (
        f"{path} is a broken link (to {path.readlink()}); fetch what it stands for (datalad get, git annex get), or "
        "remove the link"
    )


def _walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Folders below one and the names of their files, links to folders followed, none twice, nothing hidden."""
    seen: set[str] = set()
    for current, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(current)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        # What begins with a dot is a backup or what a file system keeps for itself, and no data (BIDS says so too).
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        yield Path(current), [n for n in names if not n.startswith(".")]


def _images(folder: Path) -> Iterator[Path]:
    """Images below a folder in the order of their names; extensions in any case, as some systems write them."""
    found = [at / name for at, names in _walk(folder) for name in names if name.lower().endswith((".nii", ".nii.gz"))]
    return iter(sorted(found))


def _broken_folders(folder: Path) -> list[Path]:
    """Links below a folder that lead nowhere and are named as folders with images are, anat or ses-1."""
    paths = [at / name for at, names in _walk(folder) for name in names if name == "anat" or name.startswith("ses-")]
    return sorted(p for p in paths if p.is_symlink() and not p.exists())


def wrong_name(path: Path, root: Path) -> str:
    """Why a gradient echo's name would have it taken for another's, or left out; empty where nothing is wrong."""
    own, suffix = parse_name(path)
    meant = {s.lower(): s for s in SUFFIXES}.get(suffix.lower())
    if meant is None or own.get("sub") is None:
        return ""
    if suffix != meant:
        return f"{path}: the suffix is written {meant}, not {suffix}; rename the file"
    for key, value in own.items():
        stem = key.rstrip("0123456789").lower()
        if stem in ("echo", "part") and (key != stem or not value):
            found = f"{key}-{value}" if value else key
            return f"{path}: '{found}' is written {stem}-{value or key[len(stem) :] or '...'}; rename the file"
    for folder in path.relative_to(root).parts[:-1]:
        key, _, value = folder.partition("-")
        if key in ("sub", "ses") and own.get(key, value) != value:
            return f"{path} lies in {folder} and is named {key}-{own[key]}; rename or move the file"
    return ""


def subjects_with_phase(root: Path) -> tuple[list[str], list[str]]:
    """Return the labels of a dataset's subjects, those with phase (or complex parts) first, then those without.

    Raises:
        InputError: a subject's folder is a broken link.
    """
    for path in sorted(root.glob("sub-*")):
        if path.is_symlink() and not path.exists():
            raise InputError(_broken_link(path))
    labels = sorted(p.name.removeprefix("sub-") for p in root.glob("sub-*") if p.is_dir())
    found = {label: any(_has_phase(path) for path in _images(root / f"sub-{label}")) for label in labels}
    return [s for s in labels if found[s]], [s for s in labels if not found[s]]


def _has_phase(path: Path) -> bool:
    own, suffix = parse_name(path)
    return suffix in SUFFIXES and own.get("part") in ("phase", "real", "imag")


def files_of(root: Path, subject: str) -> list[Path]:
    """Every file that the preparation of a subject may depend on: its images and all sidecars that can apply."""
    folder = root / f"sub-{subject}"
    images = [path for path in _images(folder) if parse_name(path)[1] in SUFFIXES]
    folders = {root} | {parent for path in images for parent in path.parents if root in (parent, *parent.parents)}
    sidecars = {path for parent in folders for s in SUFFIXES for path in parent.glob(f"*{s}.json")}
    return sorted({*images, *sidecars})


def _session(acquisition: Acquisition) -> tuple[str | None, str | None]:
    return acquisition.entities.get("sub"), acquisition.entities.get("ses")


def _is_complete(acquisition: Acquisition) -> bool:
    return not _lacking(acquisition)


def _lacking(acquisition: Acquisition) -> str:
    """What an acquisition lacks of magnitude and phase, or of real and imaginary part, of echoes 1 to n."""
    files = acquisition.files
    pairs = [pair for pair in (("mag", "phase"), ("real", "imag")) if set(pair) <= set(files)]
    if not pairs:
        return f"no phase (only {', '.join(sorted(files))})"
    if any(set(files[one]) == set(files[other]) == {*range(1, len(files[one]) + 1)} for one, other in pairs):
        return ""
    return "echoes " + ", ".join(f"{'+'.join(map(str, sorted(files[part])))} of part-{part}" for part in pairs[0])


def parse_name(path: Path) -> tuple[dict[str, str], str]:
    """Return the entities and the suffix of a BIDS file name.

    >>> parse_name(Path("sub-01_echo-2_part-mag_MEGRE.nii.gz"))
    ({'sub': '01', 'echo': '2', 'part': 'mag'}, 'MEGRE')
    """
    *pairs, suffix = path.name.partition(".")[0].split("_")
    return {key: value for key, _, value in (p.partition("-") for p in pairs)}, suffix


def find_mask(folder: Path, entities: Mapping[str, str]) -> Path:
    """Return the mask of an acquisition in a dataset of masks: the nearest of its subject's files `*_mask.nii.gz`.

    Raises:
        InputError: there is none, or there are several.
    """
    own = set(entities.items())
    found: list[Path] = []
    for path in sorted(folder.glob(f"sub-{entities['sub']}/**/[!.]*_mask.nii*")):
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
