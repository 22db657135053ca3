"""Three planes through the mask's centre of mass, as pictures with their physical proportions.

Radiological convention where the patient's axes are known: the patient's right is on the left of axial and coronal
slices, anterior is up in axial slices and on the left in sagittal ones. Where they are not known, voxel indices run to
the right and upwards, and nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from scipy import ndimage

from qsmbench.report.volumes import Subject

# Axis that a plane is normal to; the axes that run across and up.
PLANES: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {"axial": (2, 0, 1), "coronal": (1, 0, 2), "sagittal": (0, 1, 2)}
)
_SIDES = (("L", "R"), ("P", "A"), ("I", "S"))
_MARGIN = 2


@dataclass(frozen=True)
class Planes:
    """Where one subject is cut, and how its slices are laid on the page."""

    mask: np.ndarray
    centre: tuple[int, int, int]
    box: tuple[slice, slice, slice]
    voxel_size: tuple[float, float, float]
    oriented: bool

    def cut(self, volume: np.ndarray, plane: str) -> np.ndarray:
        """Return the slice as rows (from the top) by columns (from the left)."""
        normal = PLANES[plane][0]
        index: list[int | slice] = list(self.box)
        index[normal] = self.centre[normal]
        picture = volume[tuple(index)]
        # The two axes left keep their order, (across, up).
        picture = picture.T[::-1]
        return picture[:, ::-1] if self._mirrored(plane) else picture

    def extent(self, plane: str) -> tuple[float, float]:
        """Width and height in mm."""
        _, across, up = PLANES[plane]
        return self._length(across), self._length(up)

    def sides(self, plane: str) -> tuple[str, str]:
        """Letters for the left and right edge of the picture, empty where they are not known."""
        if not self.oriented:
            return "", ""
        low, high = _SIDES[PLANES[plane][1]]
        return (high, low) if self._mirrored(plane) else (low, high)

    def convention(self) -> str:
        """One sentence on left and right."""
        if self.oriented:
            return "Radiological view: the patient's right (R) is on the left of the picture, anterior (A) up or left."
        return (
            "Voxel axes as stored (first axis to the right, third up); the source records no sides, so left and right "
            "of the patient are not marked."
        )

    def _mirrored(self, plane: str) -> bool:
        # On the RAS grid both x (towards R) and y (towards A) run leftwards in the radiological view.
        return self.oriented and PLANES[plane][1] in (0, 1)

    def _length(self, axis: int) -> float:
        return float((self.box[axis].stop - self.box[axis].start) * self.voxel_size[axis])


def choose_planes(subject: Subject) -> Planes:
    """Cut through the mask's centre of mass (the volume's centre where the mask is empty), cropped to the mask."""
    mask = subject.mask
    shape = mask.shape
    if mask.any():
        centre = [min(max(round(float(c)), 0), n - 1) for c, n in zip(ndimage.center_of_mass(mask), shape, strict=True)]
        found = ndimage.find_objects(mask.astype(np.uint8))[0]
        box = [slice(max(s.start - _MARGIN, 0), min(s.stop + _MARGIN, n)) for s, n in zip(found, shape, strict=True)]
    else:
        centre = [n // 2 for n in shape]
        box = [slice(0, n) for n in shape]
    return Planes(
        mask=mask,
        centre=(centre[0], centre[1], centre[2]),
        box=(box[0], box[1], box[2]),
        voxel_size=subject.voxel_size,
        oriented=subject.oriented,
    )
