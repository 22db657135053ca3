"""The volumes that the page's viewer shows, small enough to travel inside the page.

Each map is a gzipped NIfTI of int16 steps of 1 ppb, cropped to the mask, in base64. Steps of 1 ppb are below the noise
of a measured field (1 to 5 ppb) and far below the window; what lies outside the mask is the lowest int16. Subjects are
taken in the order of the pictures, one of each set at a time, until the budget is spent: a page is for looking, the
stores hold everything. A page that is served embeds nothing and asks for a map when it is looked at.

The viewer is NiiVue (https://github.com/niivue/niivue), kept in `vendor/` and put into the page as it is.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import nibabel as nib
import numpy as np

from qsmbench.report.chosen import Choice
from qsmbench.report.display import Display
from qsmbench.report.figures import WINDOWS
from qsmbench.report.slices import choose_planes
from qsmbench.report.volumes import SetVolumes, Subject

STEP = 1e-3
OUTSIDE = np.iinfo(np.int16).min
# Of gzip: a ninth of the time of the highest level, and a page 1.3 % larger.
_LEVEL = 4
_LIMIT = np.iinfo(np.int16).max
# nibabel leaves its image classes untyped.
_NIFTI: Any = nib.Nifti1Image
_FIELD, _REFERENCE = "local-field", "reference"


@dataclass(frozen=True)
class EmbeddedMap:
    """One gzipped NIfTI in base64, and the id of its element in the page."""

    id: str
    base64: str


@dataclass(frozen=True)
class Viewer:
    """What the viewer's section needs: an index for its script, the volumes, and how many subjects there would be."""

    index: dict[str, Any]
    maps: tuple[EmbeddedMap, ...]
    shown: Mapping[str, tuple[int, int]]

    @property
    def megabytes(self) -> float:
        """Size of all maps as they stand in the page, in MB."""
        return sum(len(m.base64) for m in self.maps) / 1e6


def build_viewer(
    sets: Mapping[str, SetVolumes],
    display: Display,
    budget: float,
    choices: Mapping[str, Sequence[Choice]],
) -> Viewer | None:
    """Embed subjects until ``budget`` (MB in the page) is spent; None where not even one fits, or there is none.

    Args:
        sets: scans with their maps, by set.
        display: labels and order.
        budget: in MB.
        choices: subjects of each set in the order in which they are taken.
    """
    maps: list[EmbeddedMap] = []
    subjects: dict[str, list[dict[str, Any]]] = {name: [] for name in sets}
    room = budget * 1e6
    full: set[str] = set()
    for place in range(max((len(data) for data in sets.values()), default=0)):
        for number, (name, data) in enumerate(sets.items()):
            if name in full or place >= len(choices[name]) or room <= 0:
                continue
            choice = choices[name][place]
            subject = data.read(choice.index)
            entry, embedded = _embed(subject, display, f"{number}-{place}", choice.why)
            size = sum(len(m.base64) for m in embedded)
            if size > room:
                full.add(name)
                continue
            room -= size
            maps += embedded
            subjects[name].append(entry)
    if not maps:
        return None
    listed = [(name, entries) for name, entries in subjects.items() if entries]
    return Viewer(_index(listed, display), tuple(maps), {name: (len(subjects[name]), len(sets[name])) for name in sets})


def live_viewer(
    sets: Mapping[str, SetVolumes], display: Display, choices: Mapping[str, Sequence[Choice]], prefix: str
) -> Viewer | None:
    """A viewer of every subject, each described at ``prefix``/SET/SUBJECT (numbers) when chosen; None without any.

    Args:
        sets: scans with their maps, by set.
        display: labels and order.
        choices: subjects of each set in the order in which they are listed.
        prefix: of the addresses.
    """
    listed = [
        (
            name,
            [{"name": c.name, "why": c.why, "url": f"{prefix}/{number}/{c.index}"} for c in choices[name]],
        )
        for number, name in enumerate(sets)
        if choices[name]
    ]
    return Viewer(_index(listed, display), (), {}) if listed else None


def _index(listed: Sequence[tuple[str, list[dict[str, Any]]]], display: Display) -> dict[str, Any]:
    gradient = mpl.colormaps[WINDOWS["error"].colours](np.linspace(0, 1, 17))[:, :3]
    rgb = np.rint(255 * gradient).astype(int).T.tolist()
    return {
        "sets": [{"name": name, "label": display.sets[name].label, "subjects": entries} for name, entries in listed],
        "step": STEP,
        "outside": int(OUTSIDE),
        "diverging": dict(zip("RGB", rgb, strict=True)),
    }


def describe(subject: Subject, display: Display, why: str) -> dict[str, Any]:
    """What a viewer needs to know of a subject before it shows a map, and its maps by key: labels, which are there."""
    planes = choose_planes(subject)
    entries = [
        {"key": key, "label": label, "kind": kind, "there": volume is not None}
        for key, label, kind, volume in _maps(subject, display)
    ]
    return {
        "name": subject.name,
        "why": why,
        "oriented": subject.oriented,
        "shape": [s.stop - s.start for s in planes.box],
        "centre": [c - s.start for c, s in zip(planes.centre, planes.box, strict=True)],
        "voxel_size": list(subject.voxel_size),
        "maps": entries,
    }


def packed_map(subject: Subject, display: Display, key: str, level: int = _LEVEL) -> bytes | None:
    """One map of a subject as a gzipped NIfTI; None where there is none of this key."""
    box = choose_planes(subject).box
    volume = next((v for k, _, _, v in _maps(subject, display) if k == key), None)
    if volume is None:
        return None
    return gzip.compress(nifti_bytes(volume[box], subject.mask[box], subject.voxel_size), compresslevel=level, mtime=0)


def _maps(subject: Subject, display: Display) -> list[tuple[str, str, str, np.ndarray | None]]:
    """Key, label, kind and volume of everything that can be looked at."""
    found: list[tuple[str, str, str, np.ndarray | None]] = []
    if subject.chi_ref is not None:
        found.append((_REFERENCE, "Reference", "chi", subject.chi_ref))
    found += [(m, i.label, "chi", subject.estimates[m]) for m, i in display.methods.items() if m in subject.estimates]
    return [*found, (_FIELD, "Local field", "field", subject.local_field)]


def _embed(subject: Subject, display: Display, stem: str, why: str) -> tuple[dict[str, Any], list[EmbeddedMap]]:
    about, embedded = describe(subject, display, why), []
    for entry in about["maps"]:
        packed = packed_map(subject, display, entry["key"])
        if packed is not None:
            entry["id"] = f"map-{stem}-{entry['key']}"
            embedded.append(EmbeddedMap(entry["id"], base64.b64encode(packed).decode("ascii")))
    return about, embedded


def nifti_bytes(volume: np.ndarray, mask: np.ndarray, voxel_size: tuple[float, float, float]) -> bytes:
    """Return one NIfTI-1 file: steps of 1 ppb in int16, the lowest int16 outside the mask and where there is no number.

    A value beyond 32.767 ppm stops at the end of the scale.
    """
    inside = mask & np.isfinite(volume)
    steps = np.clip(np.rint(np.where(inside, volume, 0) / STEP), -_LIMIT, _LIMIT).astype(np.int16)
    steps[~inside] = OUTSIDE
    # Voxels along RAS; where the patient's axes are not known the page says so and shows no letters.
    affine = np.diag([*voxel_size, 1.0])
    image = _NIFTI(steps, affine)
    image.header.set_slope_inter(STEP, 0.0)
    image.header.set_xyzt_units("mm")
    content: bytes = image.to_bytes()
    return content
