"""The volumes that the page's viewer shows, small enough to travel inside the page.

Each map is a gzipped NIfTI of int16 steps of 1 ppb, cropped to the mask, in base64. Steps of 1 ppb are below the noise
of a measured field (1 to 5 ppb) and far below the window; what lies outside the mask is the lowest int16. Subjects are
taken in order, one of each set at a time, until the budget is spent: a page is for looking, the stores hold everything.

The viewer is NiiVue (https://github.com/niivue/niivue), kept in `vendor/` and put into the page as it is.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import matplotlib as mpl
import nibabel as nib
import numpy as np

from qsmbench.core.errors import InputError
from qsmbench.report.display import Display
from qsmbench.report.figures import WINDOWS
from qsmbench.report.slices import choose_planes
from qsmbench.report.volumes import SetVolumes, Subject

STEP = 1e-3
OUTSIDE = np.iinfo(np.int16).min
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


def build_viewer(sets: Mapping[str, SetVolumes], display: Display, budget: float) -> Viewer | None:
    """Embed subjects until ``budget`` (MB in the page) is spent; None where not even one fits, or there is none.

    Args:
        sets: scans with their maps, by set.
        display: labels and order.
        budget: in MB.
    """
    maps: list[EmbeddedMap] = []
    subjects: dict[str, list[dict[str, Any]]] = {name: [] for name in sets}
    room = budget * 1e6
    full: set[str] = set()
    for index in range(max((len(data) for data in sets.values()), default=0)):
        for number, (name, data) in enumerate(sets.items()):
            if name in full or index >= len(data):
                continue
            entry, embedded = _embed(data.read(index), display, f"{number}-{index}")
            size = sum(len(m.base64) for m in embedded)
            if size > room:
                full.add(name)
                continue
            room -= size
            maps += embedded
            subjects[name].append(entry)
    if not maps:
        return None
    gradient = mpl.colormaps[WINDOWS["error"].colours](np.linspace(0, 1, 17))[:, :3]
    rgb = np.rint(255 * gradient).astype(int).T.tolist()
    index_json = {
        "sets": [
            {"name": name, "label": display.sets[name].label, "subjects": entries}
            for name, entries in subjects.items()
            if entries
        ],
        "step": STEP,
        "outside": int(OUTSIDE),
        "diverging": dict(zip("RGB", rgb, strict=True)),
    }
    return Viewer(index_json, tuple(maps), {name: (len(subjects[name]), len(sets[name])) for name in sets})


def _embed(subject: Subject, display: Display, stem: str) -> tuple[dict[str, Any], list[EmbeddedMap]]:
    planes = choose_planes(subject)
    box = planes.box
    chosen: list[tuple[str, str, str, np.ndarray | None]] = []
    if subject.chi_ref is not None:
        chosen.append((_REFERENCE, "Reference", "chi", subject.chi_ref))
    chosen += [(m, i.label, "chi", subject.estimates[m]) for m, i in display.methods.items() if m in subject.estimates]
    chosen.append((_FIELD, "Local field", "field", subject.local_field))
    entries, embedded = [], []
    for key, label, kind, volume in chosen:
        if volume is None:
            entries.append({"key": key, "label": label, "kind": kind, "id": None})
            continue
        name = f"map-{stem}-{key}"
        content = nifti_bytes(volume[box], subject.mask[box], subject.voxel_size)
        packed = gzip.compress(content, compresslevel=9, mtime=0)
        embedded.append(EmbeddedMap(name, base64.b64encode(packed).decode("ascii")))
        entries.append({"key": key, "label": label, "kind": kind, "id": name})
    about = {
        "name": subject.name,
        "oriented": subject.oriented,
        "shape": [s.stop - s.start for s in box],
        "centre": [c - s.start for c, s in zip(planes.centre, box, strict=True)],
        "voxel_size": list(subject.voxel_size),
        "maps": entries,
    }
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


@cache
def niivue_script() -> tuple[str, str]:
    """Return NiiVue's bundle and its version.

    Raises:
        InputError: the file is not the recorded one, or could not stand in a page.
    """
    folder = files("qsmbench.report") / "vendor"
    record = json.loads((folder / "niivue.json").read_text(encoding="utf-8"))
    content = (folder / record["file"]).read_bytes()
    if hashlib.sha256(content).hexdigest() != record["sha256"]:
        raise InputError(f"{record['file']} is not version {record['version']}: run tools/vendor_niivue.py again")
    script = content.decode("utf-8")
    if "</script" in script or "<!--" in script:
        raise InputError(f"{record['file']} holds a tag that would end its script in a page; take another version")
    return script, record["version"]
