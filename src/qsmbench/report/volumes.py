"""Scans of a set with every method's map, turned the same way for figures and viewer, whatever kind the set is of.

A set knows to which side of the patient each voxel axis runs, or not; where it does not the figures say that sides are
not known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from nibabel.orientations import apply_orientation

from qsmbench.core.errors import InputError
from qsmbench.sets.contract import ScanSet

if TYPE_CHECKING:
    from qsmbench.core.scan import Reference, Scan


@dataclass(frozen=True)
class Subject:
    """One scan's volumes.

    Attributes:
        name: as in the scores.
        voxel_size: mm.
        local_field: (x, y, z), ppm.
        mask: (x, y, z), bool.
        chi_ref: (x, y, z), ppm; None where there is no reference.
        estimates: method to chi (x, y, z) in ppm; None where the reconstruction failed.
        oriented: whether the axes are right-anterior-superior of the patient (else: of the array, sides unknown).
        b0_dir: direction of B0 in the voxel axes as they are here.
        companion: (x, y, z), a susceptibility-weighted image, or None.
    """

    name: str
    voxel_size: tuple[float, float, float]
    local_field: np.ndarray
    mask: np.ndarray
    chi_ref: np.ndarray | None
    estimates: Mapping[str, np.ndarray | None]
    oriented: bool
    b0_dir: tuple[float, float, float] = (0.0, 0.0, 1.0)
    companion: np.ndarray | None = None


class SetVolumes:
    """The scans of one set, read one by one.

    Args:
        scans: the set.
        runs: methods that were run on it.
    """

    def __init__(self, scans: ScanSet, runs: Sequence[str] = ()) -> None:
        self.scans, self.runs = scans, tuple(runs)
        # What could not be prepared has rows in the tables and nothing to show.
        self.names = [name for name in scans.names if scans.failure(name) is None]

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int) -> Subject:
        """Read one scan."""
        name, layout = self.names[index], self.scans.layout
        maps = {run: self.scans.read_map(layout.maps(self.scans.name, run), name) for run in self.runs}
        reference = self.scans.reference(name) if self.scans.scored else None
        codes, companion = self.scans.axis_codes(name), self.scans.companion(name)
        return subject_of(name, self.scans.scan(name), reference, maps, axis_codes=codes, companion=companion)


def subject_of(
    name: str,
    scan: Scan,
    reference: Reference | None,
    maps: Mapping[str, np.ndarray | None],
    *,
    axis_codes: str | None,
    companion: np.ndarray | None = None,
) -> Subject:
    """A scan with its maps, turned to right-anterior-superior where it is known how it lies.

    Raises:
        InputError: a map of another shape than the scan.
    """
    mask = scan.mask.numpy()
    turn, sizes = reorientation(axis_codes, scan.grid.voxel_size)
    estimates: dict[str, np.ndarray | None] = {}
    for run, chi in maps.items():
        if chi is not None and chi.shape != mask.shape:
            raise InputError(f"the map of {run} on {name} is {chi.shape}, the scan {mask.shape}; reconstruct again")
        # NaN beyond the mask is no failure; a map with none inside it is.
        failed = chi is None or not np.isfinite(chi[mask]).any()
        estimates[run] = None if failed or chi is None else turned(chi, turn)
    return Subject(
        name=name,
        voxel_size=sizes,
        local_field=turned(scan.local_field.numpy(), turn),
        mask=turned(mask, turn),
        chi_ref=None if reference is None else turned(reference.chi, turn),
        estimates=estimates,
        oriented=axis_codes is not None,
        b0_dir=_turned_vector(scan.grid.b0_dir, turn),
        companion=None if companion is None else turned(companion, turn),
    )


def reorientation(
    codes: str | None, voxel_size: tuple[float, ...]
) -> tuple[np.ndarray | None, tuple[float, float, float]]:
    """Nibabel's orientation array for these codes (voxel axis to patient axis and sign), and the sizes it leads to."""
    x, y, z = voxel_size
    if codes is None:
        return None, (x, y, z)
    pairs = (("L", "R"), ("P", "A"), ("I", "S"))
    axes = [i for code in codes for i, pair in enumerate(pairs) if code in pair]
    if len(codes) != 3 or sorted(axes) != [0, 1, 2]:
        raise InputError(f"axis_codes '{codes}' are no orientation; write three letters like RAS or LPS")
    signs = [1 if code == pairs[axis][1] else -1 for code, axis in zip(codes, axes, strict=True)]
    sizes = dict(zip(axes, voxel_size, strict=True))
    return np.array(list(zip(axes, signs, strict=True))), (sizes[0], sizes[1], sizes[2])


def turned(volume: np.ndarray, turn: np.ndarray | None) -> np.ndarray:
    """Turn a volume as :func:`reorientation` says."""
    return volume if turn is None else np.asarray(apply_orientation(volume, turn))  # type: ignore[no-untyped-call]


def _turned_vector(vector: Sequence[float], turn: np.ndarray | None) -> tuple[float, float, float]:
    values = [float(v) for v in vector]
    if turn is not None:
        turned = {int(axis): float(sign) * value for (axis, sign), value in zip(turn, values, strict=True)}
        values = [turned[axis] for axis in range(3)]
    return values[0], values[1], values[2]
