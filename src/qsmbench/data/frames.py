"""The two matrices of a NIfTI header, sform and qform, and which of them says where B0 points.

A matrix with code 1 leads to the scanner's axes, in which B0 is z. Codes above mean that the image was aligned to
another one or to a template: the head was turned, and B0 with it. So the matrix with code 1 is used, the sform where
both have it (as other readers do); where neither has it, or both have it and lead to other directions of B0, that is
said, with both candidates. Code 0 twice means that nothing is known; readers then take the stored axes for the world's.

NIfTI-1, methods 1 to 3: https://nifti.nimh.nih.gov/nifti-1
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qsmbench.core.grid import Triple

SCANNER = 1
# Beyond this angle, in degrees, the two matrices put B0 elsewhere; rounding of stored quaternions is far below.
_SAME_DIRECTION = 0.5
# A sidecar's B0_dir that lies farther from the scanner's matrix than this contradicts it.
_CONTRADICTION = 5.0
_MEANING = {0: "unknown", 2: "aligned to another image", 3: "Talairach", 4: "MNI template", 5: "a template"}


@dataclass(frozen=True, eq=False)
class Frames:
    """Both matrices as stored, (4, 4), mm; None where a code is 0 or the matrix is not finite.

    Attributes:
        sform, qform: voxel to world.
        sform_code, qform_code: as in the header.
        fallback: from the voxel sizes alone.
    """

    sform: NDArray[np.float64] | None = None
    qform: NDArray[np.float64] | None = None
    sform_code: int = 0
    qform_code: int = 0
    fallback: NDArray[np.float64] | None = None

    @classmethod
    def scanner(cls, matrix: NDArray[np.float64]) -> Frames:
        """Return frames that lead to the scanner's axes, both by ``matrix``."""
        return cls(matrix, matrix, SCANNER, SCANNER)

    @property
    def affine(self) -> NDArray[np.float64]:
        """The matrix to use."""
        if self.qform is not None and (self.sform is None or self.qform_code == SCANNER != self.sform_code):
            return self.qform
        if self.sform is not None:
            return self.sform
        return np.eye(4) if self.fallback is None else self.fallback

    def matrices(self) -> list[NDArray[np.float64]]:
        """Those that there are."""
        return [m for m in (self.sform, self.qform) if m is not None]

    def doubts(self, stated: Triple | None = None) -> list[str]:
        """What makes the direction of B0 uncertain, with the candidates (voxel axes); empty where nothing does.

        Args:
            stated: what a sidecar says, which is used; a header that is in no doubt itself may contradict it.
        """
        if stated is None:
            return self._own_doubts()
        direction = np.array(stated, np.float64)
        used = _b0(self.affine)
        if SCANNER not in (self.sform_code, self.qform_code) or self._own_doubts() or not used.any():
            return []
        apart = _angle(direction / np.linalg.norm(direction), used)
        if apart <= _CONTRADICTION:
            return []
        return [
            f"its sidecar's B0_dir is {_shown(direction)}, which is used, but its header has B0 along {_shown(used)}, "
            f"{apart:.0f} degrees away; correct the sidecar (voxel axes, not the scanner's), or give --b0-dir X Y Z"
        ]

    def _own_doubts(self) -> list[str]:
        if self.sform is None and self.qform is None:
            return [
                "its header has no orientation (sform and qform codes 0): B0 is taken along the third stored axis; "
                "give --b0-dir X Y Z, or B0_dir in its sidecar, if it is not"
            ]
        used = _b0(self.affine)
        if (
            self.sform is not None
            and self.qform is not None
            and _angle(_b0(self.sform), _b0(self.qform)) > (_SAME_DIRECTION)
        ):
            other = self.qform if self.affine is self.sform else self.sform
            names = ("sform", "qform") if self.affine is self.sform else ("qform", "sform")
            return [
                f"its sform (code {self.sform_code}) and qform (code {self.qform_code}) put B0 elsewhere: "
                f"{_shown(used)} by the {names[0]}, which is used, {_shown(_b0(other))} by the {names[1]}; "
                "give --b0-dir X Y Z, or B0_dir in its sidecar, to settle it"
            ]
        z = np.array([0.0, 0.0, 1.0])
        # Axes that lie along the scanner's leave B0 where it would be anyway.
        if SCANNER not in (self.sform_code, self.qform_code) and _angle(used, z) > _SAME_DIRECTION:
            code = self.sform_code if self.affine is self.sform else self.qform_code
            return [
                f"its orientation has code {code} ({_MEANING.get(code, 'unknown')}), not the scanner's: B0 is "
                f"{_shown(used)} by it and may be {_shown(z)} instead; "
                "give --b0-dir X Y Z, or B0_dir in its sidecar, to settle it"
            ]
        return []

    def write(self, image: Any) -> None:
        """Put both into the header of a nibabel image."""
        for set_form, matrix, code in (
            (image.set_sform, self.sform, self.sform_code),
            (image.set_qform, self.qform, self.qform_code),
        ):
            set_form(matrix if matrix is not None else None, code=code if matrix is not None else 0)


NO_FRAMES = Frames()


def read_frames(image: Any) -> Frames:
    """Return the frames of a nibabel NIfTI image; a matrix that cannot be is taken as absent."""
    header = image.header
    found: list[NDArray[np.float64] | None] = []
    codes = [int(header["sform_code"]), int(header["qform_code"])]
    for get, code in ((header.get_sform, codes[0]), (header.get_qform, codes[1])):
        matrix = None
        if code > 0:
            try:
                matrix = np.array(get(), np.float64)
            except (ValueError, ArithmeticError, np.linalg.LinAlgError):
                matrix = None
            if matrix is not None and not (np.isfinite(matrix).all() and matrix[:3, :3].any(axis=0).all()):
                matrix = None
        found.append(matrix)
    # As nibabel has it, but without its flip of x, which comes from a format before NIfTI.
    zooms = np.array(header.get_zooms()[:3], np.float64)
    fallback = np.diag([*(zooms if len(zooms) == 3 else np.ones(3)), 1.0])
    return Frames(
        found[0],
        found[1],
        codes[0] if found[0] is not None else 0,
        codes[1] if found[1] is not None else 0,
        fallback,
    )


def _b0(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    direction: NDArray[np.float64] = matrix[2, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
    length = float(np.linalg.norm(direction))
    return direction / length if length > 0 else direction


def _angle(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    # The dipole field does not know the sense of B0.
    return float(np.degrees(np.arccos(np.clip(abs(a @ b), 0, 1))))


def _shown(direction: NDArray[np.float64]) -> str:
    return "(" + ", ".join(f"{v + 0.0:.3f}" for v in np.round(direction, 3)) + ")"
